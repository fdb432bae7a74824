#include "CPriceTable.h"

// C23's #embed, which the Swift toolchain's clang accepts in every version of C.
#pragma clang diagnostic ignored "-Wc23-extensions"

static const uint8_t prices[] = {
#embed "prices.json"
};

static const uint8_t providers[] = {
#embed "providers.json"
};

cpricetable_file cpricetable_prices(void)
{
    return (cpricetable_file){prices, sizeof prices};
}

cpricetable_file cpricetable_providers(void)
{
    return (cpricetable_file){providers, sizeof providers};
}
