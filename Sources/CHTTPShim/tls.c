// Certificates, and what is asked of a client's. libmicrohttpd takes one certificate for as long as a daemon lives; so each
// connection is given the one of its time before its handshake, and a reload needs no new daemon.

#include "tls.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct llmhttp_tls {
    atomic_uint users;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    llmhttp_client_certificates clients;
    char **names;
    size_t name_count;
};

// Forward secrecy and authenticated encryption only, as RFC 9325, section 4.2, recommends.
#define SUITES \
    ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD"

static bool fill(llmhttp_tls *tls, const llmhttp_tls_options *options, llmhttp_tls_failure *failure)
{
    failure->part = LLMHTTP_TLS_CERTIFICATE;
    int code = gnutls_certificate_allocate_credentials(&tls->credentials);
    if (code >= 0) {
        gnutls_datum_t certificate = {(unsigned char *)options->certificate, (unsigned)options->certificate_length};
        gnutls_datum_t key = {(unsigned char *)options->key, (unsigned)options->key_length};
        code = gnutls_certificate_set_x509_key_mem(tls->credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
    }
    if (code >= 0 && options->authorities_length > 0) {
        failure->part = LLMHTTP_TLS_AUTHORITIES;
        gnutls_datum_t authorities = {(unsigned char *)options->authorities, (unsigned)options->authorities_length};
        code = gnutls_certificate_set_x509_trust_mem(tls->credentials, &authorities, GNUTLS_X509_FMT_PEM);
        if (code == 0) code = GNUTLS_E_NO_CERTIFICATE_FOUND;
    }
    if (code >= 0) {
        failure->part = LLMHTTP_TLS_VERSIONS;
        char priorities[512];
        snprintf(
            priorities, sizeof priorities, "NORMAL:-VERS-ALL%s%s" SUITES "%s",
            options->allows_1_3 ? ":+VERS-TLS1.3" : "", options->allows_1_2 ? ":+VERS-TLS1.2" : "",
            options->prefers_own_suites ? ":%SERVER_PRECEDENCE" : "");
        code = gnutls_priority_init(&tls->priorities, priorities, NULL);
    }
    failure->reason = code < 0 ? gnutls_strerror(code) : NULL;
    return code >= 0;
}

static bool copy_names(llmhttp_tls *tls, const llmhttp_tls_options *options)
{
    tls->names = calloc(options->name_count + 1, sizeof *tls->names);
    if (tls->names == NULL) return false;
    for (; tls->name_count < options->name_count; tls->name_count++) {
        tls->names[tls->name_count] = strdup(options->names[tls->name_count]);
        if (tls->names[tls->name_count] == NULL) return false;
    }
    return true;
}

llmhttp_tls *llmhttp_tls_make(const llmhttp_tls_options *options, llmhttp_tls_failure *failure)
{
    llmhttp_tls *tls = calloc(1, sizeof *tls);
    if (tls != NULL) {
        atomic_init(&tls->users, 1);
        tls->clients = options->clients;
        if (copy_names(tls, options)) {
            if (fill(tls, options, failure)) return tls;
        } else {
            *failure = (llmhttp_tls_failure){.part = LLMHTTP_TLS_CERTIFICATE, .reason = "out of memory"};
        }
        llmhttp_tls_release(tls);
    } else {
        *failure = (llmhttp_tls_failure){.part = LLMHTTP_TLS_CERTIFICATE, .reason = "out of memory"};
    }
    return NULL;
}

llmhttp_tls *llmhttp_tls_retain(llmhttp_tls *tls)
{
    atomic_fetch_add(&tls->users, 1);
    return tls;
}

void llmhttp_tls_release(llmhttp_tls *tls)
{
    if (tls == NULL || atomic_fetch_sub(&tls->users, 1) > 1) return;
    if (tls->credentials != NULL) gnutls_certificate_free_credentials(tls->credentials);
    if (tls->priorities != NULL) gnutls_priority_deinit(tls->priorities);
    for (size_t index = 0; index < tls->name_count; index++) free(tls->names[index]);
    free(tls->names);
    free(tls);
}

// MARK: Clients

// Writes a subject alternative name as text; false where it is of a kind that no list names.
static bool name_text(unsigned kind, const unsigned char *name, size_t length, char *text, size_t capacity)
{
    switch (kind) {
    case GNUTLS_SAN_DNSNAME:
    case GNUTLS_SAN_RFC822NAME:
    case GNUTLS_SAN_URI:
        // A zero inside would end the text before the name does.
        if (length >= capacity || memchr(name, '\0', length) != NULL) return false;
        memcpy(text, name, length);
        text[length] = '\0';
        return true;
    case GNUTLS_SAN_IPADDRESS:
        if (length != 4 && length != 16) return false;
        return inet_ntop(length == 4 ? AF_INET : AF_INET6, name, text, (socklen_t)capacity) != NULL;
    default: return false;
    }
}

static bool has_allowed_name(const llmhttp_tls *tls, gnutls_x509_crt_t certificate)
{
    for (unsigned place = 0;; place++) {
        unsigned char name[1024];
        size_t length = sizeof name;
        unsigned kind = 0;
        int code = gnutls_x509_crt_get_subject_alt_name2(certificate, place, name, &length, &kind, NULL);
        if (code == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) return false;
        char text[1024];
        if (code < 0 || !name_text(kind, name, length, text, sizeof text)) continue;
        for (size_t index = 0; index < tls->name_count; index++)
            if (strcmp(tls->names[index], text) == 0) return true;
    }
}

static int check_name(const llmhttp_tls *tls, const gnutls_datum_t *encoded)
{
    gnutls_x509_crt_t certificate;
    if (gnutls_x509_crt_init(&certificate) < 0) return GNUTLS_E_MEMORY_ERROR;
    bool is_allowed = gnutls_x509_crt_import(certificate, encoded, GNUTLS_X509_FMT_DER) >= 0
        && has_allowed_name(tls, certificate);
    gnutls_x509_crt_deinit(certificate);
    return is_allowed ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

// Called within the handshake, which fails with what is returned.
static int verify_client(gnutls_session_t session)
{
    const llmhttp_tls *tls = gnutls_session_get_ptr(session);
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (chain == NULL || count == 0)
        return tls->clients == LLMHTTP_CLIENTS_REQUIRED || tls->clients == LLMHTTP_CLIENTS_VERIFIED
            ? GNUTLS_E_NO_CERTIFICATE_FOUND
            : 0;
    if (tls->clients == LLMHTTP_CLIENTS_VERIFIED || tls->clients == LLMHTTP_CLIENTS_VERIFIED_IF_GIVEN) {
        gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
        unsigned status = 0;
        if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
            return GNUTLS_E_CERTIFICATE_ERROR;
    }
    return tls->name_count == 0 ? 0 : check_name(tls, &chain[0]);
}

bool llmhttp_tls_apply(llmhttp_tls *tls, gnutls_session_t session)
{
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials) < 0) return false;
    if (gnutls_priority_set(session, tls->priorities) < 0) return false;
    if (tls->clients == LLMHTTP_CLIENTS_NONE) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_IGNORE);
        return true;
    }
    bool is_required = tls->clients == LLMHTTP_CLIENTS_REQUIRED || tls->clients == LLMHTTP_CLIENTS_VERIFIED;
    gnutls_certificate_server_set_request(session, is_required ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    // libmicrohttpd keeps its connection there for pre-shared keys, which are off.
    gnutls_session_set_ptr(session, tls);
    gnutls_session_set_verify_function(session, verify_client);
    return true;
}
