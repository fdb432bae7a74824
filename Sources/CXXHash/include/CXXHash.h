#ifndef CXXHASH_H
#define CXXHASH_H

// Debian's libxxhash-dev: digests of ids and contents (XXH3, whose values are fixed since xxHash 0.8.0).
#include <xxhash.h>

#endif
