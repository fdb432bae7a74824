// What connections need of a certificate, shared by those that use it.
#ifndef CHTTPSHIM_TLS_H
#define CHTTPSHIM_TLS_H

#include "CHTTPShim.h"

#include <gnutls/gnutls.h>

/// Keeps `tls` for one more user.
llmhttp_tls *llmhttp_tls_retain(llmhttp_tls *tls);

/// Lets a session that has not begun its handshake use it; the caller keeps `tls` until the session is over.
///
/// Returns false where GnuTLS refuses.
bool llmhttp_tls_apply(llmhttp_tls *tls, gnutls_session_t session);

#endif
