// Keeps each fsync and fdatasync of a program waiting while the file that STALL_FILE names exists; compiled and used by
// test_systemd.py and test_files_changed_in_place.py, loaded by LD_PRELOAD.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_while_stalled(void)
{
    const char *file = getenv("STALL_FILE");
    while (file && access(file, F_OK) == 0) usleep(5000);
}

#define STALLING(name)                                            \
    int name(int descriptor)                                      \
    {                                                             \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        wait_while_stalled();                                     \
        return real(descriptor);                                  \
    }
STALLING(fsync)
STALLING(fdatasync)
