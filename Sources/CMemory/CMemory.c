#include "CMemory.h"

#include <malloc.h>
#include <sys/resource.h>

void cmemory_return_free(void)
{
    malloc_trim(0);
}

// Threads that allocate at once wait for each other. Two arenas keep the ledger apart from the server's threads.
enum { ARENAS_UNDER_A_LIMIT = 2 };

void cmemory_heed_limit(void)
{
    struct rlimit addresses;
    if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY) return;
    mallopt(M_ARENA_MAX, ARENAS_UNDER_A_LIMIT);
}
