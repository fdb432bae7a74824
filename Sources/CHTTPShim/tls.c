// Who we are in a handshake, and whom we take for a client. See CHTTPShim.h.

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
    chttpshim_client_certificate client_certificate;
    char **client_names;
    size_t client_name_count;
};

// Global, because GnuTLS gives its callbacks nothing but the session, whose pointers are libmicrohttpd's.
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
        // One byte more for the zero that ends a text.
        char name[NAME_BYTES_MAX + 1], text[INET6_ADDRSTRLEN];
        size_t length = NAME_BYTES_MAX;
        int kind = gnutls_x509_crt_get_subject_alt_name(certificate, index, name, &length, NULL);
        if (kind == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return false;
        // A name that is too long is no reason not to look at the next; other failures come to an end as well.
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
        // A zero inside would end the name before its time.
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
    bool verifies = identity->client_certificate == CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED_IF_GIVEN
        || identity->client_certificate == CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED;
    unsigned length = 0;
    const gnutls_datum_t *raw = gnutls_certificate_get_peers(session, &length);
    if (raw == NULL || length == 0) {
        bool may_do_without = identity->client_certificate != CHTTPSHIM_CLIENT_CERTIFICATE_REQUIRED
            && identity->client_certificate != CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED;
        return may_do_without ? 0 : -1;
    }
    if (!verifies && identity->client_name_count == 0) return 0;
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
    bool is_welcome = is_sound && (!verifies || is_trusted(identity, chain, length))
        && (identity->client_name_count == 0 || has_allowed_name(identity, chain[0]));
    while (read > 0) gnutls_x509_crt_deinit(chain[--read]);
    return is_welcome ? 0 : -1;
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
    switch (identity->client_certificate) {
    case CHTTPSHIM_CLIENT_CERTIFICATE_NONE: break;
    case CHTTPSHIM_CLIENT_CERTIFICATE_REQUESTED:
    case CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED_IF_GIVEN:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        break;
    case CHTTPSHIM_CLIENT_CERTIFICATE_REQUIRED:
    case CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED:
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
        break;
    }
    if (identity->client_certificate != CHTTPSHIM_CLIENT_CERTIFICATE_NONE)
        gnutls_session_set_verify_function(session, verify_client);
    *chain = identity->chain;
    *chain_length = identity->chain_length;
    *key = identity->key;
    return 0;
}

// MARK: Identities

static bool load_pair(
    chttpshim_tls_identity *identity, const chttpshim_tls_material *material, chttpshim_tls_fault *fault, int *code)
{
    gnutls_datum_t certificate = {(unsigned char *)material->certificate, (unsigned)strlen(material->certificate)};
    gnutls_datum_t key = {(unsigned char *)material->key, (unsigned)strlen(material->key)};
    unsigned length = CHAIN_MAX;
    *fault = CHTTPSHIM_TLS_FAULT_CERTIFICATE;
    *code = gnutls_pcert_list_import_x509_raw(identity->chain, &length, &certificate, GNUTLS_X509_FMT_PEM, 0);
    if (*code < 0) return false;
    identity->chain_length = length;
    *fault = CHTTPSHIM_TLS_FAULT_KEY;
    *code = gnutls_privkey_init(&identity->key);
    if (*code < 0) return false;
    *code = gnutls_privkey_import_x509_raw(identity->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (*code < 0) return false;
    *fault = CHTTPSHIM_TLS_FAULT_PAIR;
    gnutls_certificate_credentials_t pair;
    *code = gnutls_certificate_allocate_credentials(&pair);
    if (*code < 0) return false;
    // This alone compares the two.
    *code = gnutls_certificate_set_x509_key_mem(pair, &certificate, &key, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(pair);
    return *code >= 0;
}

static bool load_authorities(
    chttpshim_tls_identity *identity, const chttpshim_tls_material *material, chttpshim_tls_fault *fault, int *code)
{
    if (material->client_authorities == NULL) return true;
    *fault = CHTTPSHIM_TLS_FAULT_CLIENT_AUTHORITIES;
    *code = gnutls_x509_trust_list_init(&identity->authorities, 0);
    if (*code < 0) return false;
    gnutls_datum_t text = {
        (unsigned char *)material->client_authorities, (unsigned)strlen(material->client_authorities)};
    *code = gnutls_x509_trust_list_add_trust_mem(identity->authorities, &text, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    if (*code == 0) *code = GNUTLS_E_NO_CERTIFICATE_FOUND;
    return *code > 0;
}

static bool copy_names(chttpshim_tls_identity *identity, const chttpshim_tls_material *material)
{
    if (material->client_name_count == 0) return true;
    identity->client_names = calloc(material->client_name_count, sizeof(char *));
    if (identity->client_names == NULL) return false;
    for (; identity->client_name_count < material->client_name_count; identity->client_name_count++) {
        char *name = strdup(material->client_names[identity->client_name_count]);
        if (name == NULL) return false;
        identity->client_names[identity->client_name_count] = name;
    }
    return true;
}

chttpshim_tls_identity *chttpshim_tls_identity_create(
    const chttpshim_tls_material *material, chttpshim_tls_fault *fault, const char **reason)
{
    int code = GNUTLS_E_MEMORY_ERROR;
    chttpshim_tls_identity *identity = calloc(1, sizeof *identity);
    *fault = CHTTPSHIM_TLS_FAULT_MEMORY;
    if (identity != NULL) {
        identity->client_certificate = material->client_certificate;
        if (load_pair(identity, material, fault, &code) && load_authorities(identity, material, fault, &code)) {
            *fault = CHTTPSHIM_TLS_FAULT_MEMORY;
            if (copy_names(identity, material)) return identity;
            code = GNUTLS_E_MEMORY_ERROR;
        }
        chttpshim_tls_identity_free(identity);
    }
    *reason = gnutls_strerror(code);
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
    return identity != NULL && identity->client_certificate >= CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED_IF_GIVEN;
}

bool chttpshim_tls_knows_priorities(const char *priorities)
{
    gnutls_priority_t cache;
    if (gnutls_priority_init(&cache, priorities, NULL) != 0) return false;
    gnutls_priority_deinit(cache);
    return true;
}
