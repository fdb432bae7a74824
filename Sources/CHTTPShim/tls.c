// The identity that servers show in TLS handshakes, and the client certificates that they accept. See CHTTPShim.h.

#include "tls.h"
#include "CHTTPShim.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 16, CLIENT_CHAIN_MAX = 16, NAME_BYTES_MAX = 1024 };

struct chttpshim_tls_identity {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t authorities;
    bool asks_clients;
    bool requires_certificate;
    bool verifies_certificate;
    char **client_names;
    size_t client_name_count;
};

// Global, because GnuTLS gives its callbacks only the session, whose pointers are libmicrohttpd's.
static _Atomic(chttpshim_tls_identity *) identity_in_force;
static atomic_uint generation;

// MARK: Client certificates

static bool is_allowed(const chttpshim_tls_identity *identity, const char *name)
{
    for (size_t index = 0; index < identity->client_name_count; index++)
        if (strcmp(identity->client_names[index], name) == 0) return true;
    return false;
}

static bool has_allowed_name(const chttpshim_tls_identity *identity, gnutls_x509_crt_t certificate)
{
    for (unsigned index = 0;; index++) {
        // One more byte for the terminating zero.
        char name[NAME_BYTES_MAX + 1], text[INET6_ADDRSTRLEN];
        size_t length = NAME_BYTES_MAX;
        int kind = gnutls_x509_crt_get_subject_alt_name(certificate, index, name, &length, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return false;
        // A name that is too long does not hide the next one. Every other failure refuses the certificate.
        if (kind < 0) {
            if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER) continue;
            return false;
        }
        if (kind == GNUTLS_SAN_IPADDRESS) {
            if (inet_ntop(length == 4 ? AF_INET : AF_INET6, name, text, sizeof text) != NULL
                && (length == 4 || length == 16) && is_allowed(identity, text))
                return true;
            continue;
        }
        name[length] = '\0';
        bool is_text = kind == GNUTLS_SAN_DNSNAME || kind == GNUTLS_SAN_RFC822NAME || kind == GNUTLS_SAN_URI;
        // A zero within the name would cut the comparison short.
        if (is_text && strlen(name) == length && is_allowed(identity, name)) return true;
    }
}

static bool is_trusted(const chttpshim_tls_identity *identity, gnutls_x509_crt_t *chain, unsigned length)
{
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned faults = 0;
    return gnutls_x509_trust_list_verify_crt2(identity->authorities, chain, length, &purpose, 1, 0, &faults, NULL) == 0
        && faults == 0;
}

// The end of a handshake: not 0 refuses the client.
static int verify_client(gnutls_session_t session)
{
    const chttpshim_tls_identity *identity = atomic_load(&identity_in_force);
    unsigned length = 0;
    const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &length);
    if (raw == NULL || length == 0) return identity->requires_certificate ? -1 : 0;
    if (!identity->verifies_certificate && identity->client_name_count == 0) return 0;
    if (length > CLIENT_CHAIN_MAX) return -1;
    gnutls_x509_crt_t chain[CLIENT_CHAIN_MAX];
    unsigned read = 0;
    bool is_sound = true;
    while (is_sound && read < length) {
        is_sound = gnutls_x509_crt_init(&chain[read]) == 0;
        if (!is_sound) break;
        is_sound = gnutls_x509_crt_import(chain[read], &raw[read], GNUTLS_X509_FMT_DER) == 0;
        read++;
    }
    bool is_accepted = is_sound && (!identity->verifies_certificate || is_trusted(identity, chain, length))
        && (identity->client_name_count == 0 || has_allowed_name(identity, chain[0]));
    while (read > 0) gnutls_x509_crt_deinit(chain[--read]);
    return is_accepted ? 0 : -1;
}

int chttpshim_tls_select(
    gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
    const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain, unsigned *chain_length,
    gnutls_privkey_t *key)
{
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    chttpshim_tls_identity *identity = atomic_load(&identity_in_force);
    if (identity == NULL) return -1;
    if (identity->asks_clients) {
        gnutls_certificate_server_set_request(
            session, identity->requires_certificate ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(session, verify_client);
    }
    *chain = identity->chain;
    *chain_length = identity->chain_length;
    *key = identity->key;
    return 0;
}

// MARK: Identities

// The reason for a negative code of GnuTLS; NULL for success.
static const char *reason(int code)
{
    return code < 0 ? gnutls_strerror(code) : NULL;
}

chttpshim_tls_identity *chttpshim_tls_identity_create(void)
{
    return calloc(1, sizeof(chttpshim_tls_identity));
}

const char *chttpshim_tls_identity_set_certificate(chttpshim_tls_identity *identity, const char *certificate)
{
    gnutls_datum_t text = {(unsigned char *)certificate, (unsigned)strlen(certificate)};
    unsigned length = CHAIN_MAX;
    int code = gnutls_pcert_list_import_x509_raw(identity->chain, &length, &text, GNUTLS_X509_FMT_PEM, 0);
    if (code >= 0) identity->chain_length = length;
    return reason(code);
}

const char *chttpshim_tls_identity_set_key(chttpshim_tls_identity *identity, const char *key)
{
    gnutls_datum_t text = {(unsigned char *)key, (unsigned)strlen(key)};
    int code = gnutls_privkey_init(&identity->key);
    if (code >= 0) code = gnutls_privkey_import_x509_raw(identity->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    return reason(code);
}

const char *chttpshim_tls_check_pair(const char *certificate, const char *key)
{
    gnutls_datum_t certificate_text = {(unsigned char *)certificate, (unsigned)strlen(certificate)};
    gnutls_datum_t key_text = {(unsigned char *)key, (unsigned)strlen(key)};
    gnutls_certificate_credentials_t pair;
    int code = gnutls_certificate_allocate_credentials(&pair);
    if (code < 0) return reason(code);
    // No other call of GnuTLS compares the two.
    code = gnutls_certificate_set_x509_key_mem(pair, &certificate_text, &key_text, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(pair);
    return reason(code);
}

void chttpshim_tls_identity_ask_clients(chttpshim_tls_identity *identity, bool requires, bool verifies)
{
    identity->asks_clients = true;
    identity->requires_certificate =
        requires;
    identity->verifies_certificate = verifies;
}

const char *chttpshim_tls_identity_set_client_authorities(chttpshim_tls_identity *identity, const char *authorities)
{
    gnutls_datum_t text = {(unsigned char *)authorities, (unsigned)strlen(authorities)};
    int code = gnutls_x509_trust_list_init(&identity->authorities, 0);
    if (code < 0) return reason(code);
    code = gnutls_x509_trust_list_add_trust_mem(identity->authorities, &text, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    return reason(code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code);
}

const char *chttpshim_tls_identity_add_client_name(chttpshim_tls_identity *identity, const char *name)
{
    size_t count = identity->client_name_count + 1;
    char **names = reallocarray(identity->client_names, count, sizeof *names);
    if (names == NULL) return reason(GNUTLS_E_MEMORY_ERROR);
    identity->client_names = names;
    names[count - 1] = strdup(name);
    if (names[count - 1] == NULL) return reason(GNUTLS_E_MEMORY_ERROR);
    identity->client_name_count = count;
    return NULL;
}

void chttpshim_tls_identity_free(chttpshim_tls_identity *identity)
{
    for (unsigned index = 0; index < identity->chain_length; index++) gnutls_pcert_deinit(&identity->chain[index]);
    if (identity->key != NULL) gnutls_privkey_deinit(identity->key);
    if (identity->authorities != NULL) gnutls_x509_trust_list_deinit(identity->authorities, 1);
    for (size_t index = 0; index < identity->client_name_count; index++) free(identity->client_names[index]);
    free(identity->client_names);
    free(identity);
}

void chttpshim_tls_use(chttpshim_tls_identity *identity)
{
    atomic_store(&identity_in_force, identity);
    atomic_fetch_add(&generation, 1);
}

unsigned chttpshim_tls_generation(void)
{
    return atomic_load(&generation);
}

bool chttpshim_tls_verifies_clients(void)
{
    chttpshim_tls_identity *identity = atomic_load(&identity_in_force);
    return identity != NULL && identity->verifies_certificate;
}
