// glibc's malloc_trim, whose header Swift's Glibc module lacks.
#ifndef CMEMORY_H
#define CMEMORY_H

/// Gives memory back to the system that is free and still held by malloc.
void cmemory_return_free(void);

#endif
