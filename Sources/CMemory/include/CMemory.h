// glibc's malloc_trim and mallopt, whose header Swift's Glibc module lacks.
#ifndef CMEMORY_H
#define CMEMORY_H

/// Gives memory back to the system that is free and still held by malloc.
void cmemory_return_free(void);

/// Before threads are started. malloc reserves 64 MiB of addresses for each thread that allocates. If addresses are
/// limited (RLIMIT_AS), threads share what is reserved.
void cmemory_heed_limit(void);

#endif
