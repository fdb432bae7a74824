// A rule that a fuzz target checks: if it does not hold, the process ends with its text.
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#define HOLDS(CONDITION, ...)                                                         \
    do {                                                                              \
        if (!(CONDITION)) {                                                           \
            fprintf(stderr, "%s:%d: violated: %s: ", __FILE__, __LINE__, #CONDITION); \
            fprintf(stderr, __VA_ARGS__);                                             \
            fputc('\n', stderr);                                                      \
            abort();                                                                  \
        }                                                                             \
    } while (0)

#endif
