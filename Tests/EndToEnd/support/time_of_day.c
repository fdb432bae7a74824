// Sets the time of day of a program, by LD_PRELOAD; compiled and used by time_of_day.py.
//
//   CLOCK_AHEAD_FILE   a file of eight bytes: what the program's time of day is ahead, in seconds; read each time
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("CLOCK_AHEAD_FILE");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *mapped = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) abort();
    ahead = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    // Asked before this library's own beginning, too.
    if (!real_clock_gettime)
        real_clock_gettime = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME && ahead) now->tv_sec += *ahead;
    return result;
}

// A deadline by the time of day, as Dispatch sets it: the kernel compares it with the real one.
int sem_timedwait(sem_t *semaphore, const struct timespec *deadline)
{
    static int (*real_sem_timedwait)(sem_t *, const struct timespec *);
    if (!real_sem_timedwait)
        real_sem_timedwait = (int (*)(sem_t *, const struct timespec *))dlsym(RTLD_NEXT, "sem_timedwait");
    struct timespec real = *deadline;
    if (ahead) real.tv_sec -= *ahead;
    return real_sem_timedwait(semaphore, &real);
}
