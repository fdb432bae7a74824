#include "CMemory.h"

#include <malloc.h>

void cmemory_return_free(void)
{
    malloc_trim(0);
}
