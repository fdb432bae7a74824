#ifndef CPRICETABLE_H
#define CPRICETABLE_H

// The shipped prices, embedded in the program, so that it has them wherever it is installed.

#include <stddef.h>
#include <stdint.h>

/// An embedded file: `length` bytes that live as long as the process.
typedef struct cpricetable_file {
    const uint8_t *start;
    size_t length;
} cpricetable_file;

/// `prices.json`, written by scripts/update-prices: a price file (docs/prices.md).
cpricetable_file cpricetable_prices(void);

/// `providers.json`: the spellings of providers' names.
cpricetable_file cpricetable_providers(void);

#endif
