#ifndef CHTTPSHIM_FRAMING_H
#define CHTTPSHIM_FRAMING_H

#include "CHTTPShim.h"

#include <microhttpd.h>

/// Checks the headers that say where a request ends and for which host it is. Returns a fault of length or host, or
/// none. `version` is the request's, as in `HTTP/1.1`.
chttpshim_fault chttpshim_framing_fault(struct MHD_Connection *connection, const char *version);

#endif
