#ifndef CHTTPSHIM_TLS_H
#define CHTTPSHIM_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

/// Gives a handshake the identity in force, and asks for a client certificate if it wants one. libmicrohttpd calls it
/// after the client's hello.
int chttpshim_tls_select(
    gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_length,
    gnutls_privkey_t *key);

/// How many identities have been put into force in this process.
unsigned chttpshim_tls_generation(void);

/// Whether client certificates are verified. If so, connections made under an earlier identity must reconnect.
bool chttpshim_tls_verifies_clients(void);

#endif
