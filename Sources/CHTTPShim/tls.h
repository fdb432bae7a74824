#ifndef CHTTPSHIM_TLS_H
#define CHTTPSHIM_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

/// Gives a handshake the identity in force, and says what is asked of the client's certificate: libmicrohttpd calls it
/// once the client has said hello.
int chttpshim_tls_select(
    gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_length,
    gnutls_privkey_t *key);

/// Counts the identities that were put in force, in a process.
unsigned chttpshim_tls_generation(void);

/// Whether the identity in force believes certificates of clients: who came by an earlier one must show his again.
bool chttpshim_tls_verifies_clients(void);

#endif
