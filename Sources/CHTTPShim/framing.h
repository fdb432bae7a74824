#ifndef CHTTPSHIM_FRAMING_H
#define CHTTPSHIM_FRAMING_H

#include "CHTTPShim.h"
#include "target.h"

#include <microhttpd.h>

typedef struct {
    /// One of the request line, the headers, their length or the host; or none.
    chttpshim_fault fault;
    /// A header that may come once and came twice, static; or NULL.
    const char *repeated;
} chttpshim_framing;

/// Checks the request line, and the headers that say where a request ends and for which host it is.
///
/// `method` and `version` are as the access handler has them. They are NULL if libmicrohttpd does not call it: then the
/// lines themselves are not checked.
chttpshim_framing chttpshim_framing_check(
    struct MHD_Connection *connection, const char *method, const char *version, const chttpshim_target *target);

#endif
