#include "CCurlShim.h"

// Calls go through pointers, which its type checks do not know.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// CURLOPT_PROTOCOLS_STR and a thread-safe curl_global_init; Debian 12 has 7.88.
_Static_assert(LIBCURL_VERSION_NUM >= 0x075500, "libcurl 7.85 or newer is needed");

// libcurl is loaded by the first command that sends: it brings 19 libraries and 3 MB of memory, which an exporter that
// only serves does not need. The name is that of its ABI (libcurl-abi, curl.se).
static const char ccurlshim_library[] = "libcurl.so.4";

static struct {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
} curl;

// Why libcurl cannot be used; NULL if it can.
static const char *ccurlshim_fault;

struct ccurlshim_client {
    CURL *easy;
    char *ca_file;
    char *username;
    char *password;
    char *token;
    struct curl_slist *headers;
    uint8_t *answer;
    size_t answer_length;
    size_t answer_capacity;
    size_t answer_limit;
    int answer_too_large;
    int answer_out_of_memory;
    int32_t status;
    int64_t retry_after;
    char problem[CURL_ERROR_SIZE];
};

static pthread_once_t ccurlshim_once = PTHREAD_ONCE_INIT;

static void *ccurlshim_symbol(void *library, const char *name)
{
    void *symbol = ccurlshim_fault == NULL ? dlsym(library, name) : NULL;
    if (symbol == NULL && ccurlshim_fault == NULL) ccurlshim_fault = dlerror();
    return symbol;
}

static void ccurlshim_set_up(void)
{
    void *library = dlopen(ccurlshim_library, RTLD_NOW | RTLD_LOCAL);
    ccurlshim_fault = library == NULL ? dlerror() : NULL;
#define CCURLSHIM_LOAD(name) curl.name = (__typeof__(curl.name))ccurlshim_symbol(library, "curl_" #name)
    CCURLSHIM_LOAD(global_init);
    CCURLSHIM_LOAD(easy_init);
    CCURLSHIM_LOAD(easy_setopt);
    CCURLSHIM_LOAD(easy_perform);
    CCURLSHIM_LOAD(easy_getinfo);
    CCURLSHIM_LOAD(easy_reset);
    CCURLSHIM_LOAD(easy_cleanup);
    CCURLSHIM_LOAD(easy_strerror);
    CCURLSHIM_LOAD(slist_append);
    CCURLSHIM_LOAD(slist_free_all);
#undef CCURLSHIM_LOAD
    if (ccurlshim_fault != NULL) {
        // The text of dlerror lasts until the thread's next call.
        const char *kept = strdup(ccurlshim_fault);
        ccurlshim_fault = kept != NULL ? kept : "out of memory";
        return;
    }
    curl.global_init(CURL_GLOBAL_DEFAULT);
}

const char *ccurlshim_load(void)
{
    pthread_once(&ccurlshim_once, ccurlshim_set_up);
    return ccurlshim_fault;
}

// Appends a piece of the answer. If another count than was offered is returned, libcurl ends the transfer.
static size_t ccurlshim_gather(char *piece, size_t size, size_t count, void *context)
{
    ccurlshim_client *client = context;
    size_t length = size * count;  // libcurl: size is always 1
    if (length > client->answer_limit - client->answer_length) {
        client->answer_too_large = 1;
        return 0;
    }
    size_t needed = client->answer_length + length;
    if (needed > client->answer_capacity) {
        size_t capacity = client->answer_capacity < 4096 ? 4096 : client->answer_capacity;
        while (capacity < needed) { capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2; }
        uint8_t *grown = realloc(client->answer, capacity);
        if (grown == NULL) {
            client->answer_out_of_memory = 1;
            return 0;
        }
        client->answer = grown;
        client->answer_capacity = capacity;
    }
    if (length > 0) memcpy(client->answer + client->answer_length, piece, length);
    client->answer_length = needed;
    return length;
}

ccurlshim_client *ccurlshim_client_create(void)
{
    if (ccurlshim_load() != NULL) return NULL;
    ccurlshim_client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->easy = curl.easy_init();
    if (client->easy == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

void ccurlshim_client_free(ccurlshim_client *client)
{
    if (client == NULL) return;
    curl.easy_cleanup(client->easy);
    curl.slist_free_all(client->headers);
    free(client->ca_file);
    free(client->username);
    free(client->password);
    free(client->token);
    free(client->answer);
    free(client);
}

static int ccurlshim_keep(char **kept, const char *text)
{
    *kept = text == NULL ? NULL : strdup(text);
    return text != NULL && *kept == NULL ? -1 : 0;
}

int ccurlshim_client_use_access(
    ccurlshim_client *client, const char *ca_file, const char *username, const char *password, const char *token)
{
    if (ccurlshim_keep(&client->ca_file, ca_file) != 0 || ccurlshim_keep(&client->username, username) != 0
        || ccurlshim_keep(&client->password, password) != 0) {
        return -1;
    }
    return ccurlshim_keep(&client->token, token);
}

int ccurlshim_client_add_header(ccurlshim_client *client, const char *line)
{
    struct curl_slist *grown = curl.slist_append(client->headers, line);
    if (grown == NULL) return -1;
    client->headers = grown;
    return 0;
}

static ccurlshim_outcome ccurlshim_outcome_of(const ccurlshim_client *client, CURLcode code)
{
    if (client->answer_too_large) return CCURLSHIM_TOO_LARGE;
    if (client->answer_out_of_memory) return CCURLSHIM_OUT_OF_MEMORY;
    switch (code) {
    case CURLE_OK: return CCURLSHIM_ANSWERED;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return CCURLSHIM_BAD_URL;
    case CURLE_COULDNT_RESOLVE_HOST: return CCURLSHIM_UNRESOLVED;
    case CURLE_COULDNT_CONNECT: return CCURLSHIM_REFUSED;
    case CURLE_OPERATION_TIMEDOUT: return CCURLSHIM_TIMED_OUT;
    case CURLE_FILESIZE_EXCEEDED: return CCURLSHIM_TOO_LARGE;
    case CURLE_OUT_OF_MEMORY: return CCURLSHIM_OUT_OF_MEMORY;
    default: return CCURLSHIM_FAILED;
    }
}

static CURLcode ccurlshim_prepare(
    ccurlshim_client *client, const char *method, const char *url, const uint8_t *body, size_t body_length,
    int64_t connect_limit_ms, int64_t total_limit_ms)
{
    CURL *easy = client->easy;
    CURLcode code = CURLE_OK;
#define CCURLSHIM_SET(option, value)                                            \
    do {                                                                        \
        if (code == CURLE_OK) { code = curl.easy_setopt(easy, option, value); } \
    } while (0)
    CCURLSHIM_SET(CURLOPT_ERRORBUFFER, client->problem);
    CCURLSHIM_SET(CURLOPT_URL, url);
    CCURLSHIM_SET(CURLOPT_PROTOCOLS_STR, "http,https");
    CCURLSHIM_SET(CURLOPT_HTTPHEADER, client->headers);
    CCURLSHIM_SET(CURLOPT_USERAGENT, "llm-exporter");
    // Signals belong to the program; without this a time-out may raise SIGALRM in it.
    CCURLSHIM_SET(CURLOPT_NOSIGNAL, 1L);
    // An exporter is on this host or in this network: a proxy for the outside must not see its traffic.
    CCURLSHIM_SET(CURLOPT_PROXY, "");
    if (client->ca_file != NULL) CCURLSHIM_SET(CURLOPT_CAINFO, client->ca_file);
    if (client->username != NULL) {
        CCURLSHIM_SET(CURLOPT_USERNAME, client->username);
        CCURLSHIM_SET(CURLOPT_PASSWORD, client->password == NULL ? "" : client->password);
    } else if (client->token != NULL) {
        CCURLSHIM_SET(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        CCURLSHIM_SET(CURLOPT_XOAUTH2_BEARER, client->token);
    }
    CCURLSHIM_SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_limit_ms);
    CCURLSHIM_SET(CURLOPT_TIMEOUT_MS, (long)total_limit_ms);
    CCURLSHIM_SET(CURLOPT_WRITEFUNCTION, ccurlshim_gather);
    CCURLSHIM_SET(CURLOPT_WRITEDATA, client);
    if (body != NULL) {
        CCURLSHIM_SET(CURLOPT_POST, 1L);
        CCURLSHIM_SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body_length);
        CCURLSHIM_SET(CURLOPT_POSTFIELDS, (const char *)body);
    } else if (strcmp(method, "HEAD") == 0) CCURLSHIM_SET(CURLOPT_NOBODY, 1L);
    CCURLSHIM_SET(CURLOPT_CUSTOMREQUEST, method);
#undef CCURLSHIM_SET
    return code;
}

ccurlshim_outcome ccurlshim_client_send(
    ccurlshim_client *client, const char *method, const char *url, const uint8_t *body, size_t body_length,
    int64_t connect_limit_ms, int64_t total_limit_ms, size_t answer_limit)
{
    client->answer_length = 0;
    client->answer_limit = answer_limit;
    client->answer_too_large = 0;
    client->answer_out_of_memory = 0;
    client->status = 0;
    client->retry_after = 0;
    client->problem[0] = '\0';

    CURLcode code = ccurlshim_prepare(client, method, url, body, body_length, connect_limit_ms, total_limit_ms);
    if (code == CURLE_OK) code = curl.easy_perform(client->easy);
    if (code == CURLE_OK) {
        long status = 0;
        curl.easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
        client->status = (int32_t)status;
        curl_off_t seconds = 0;
        curl.easy_getinfo(client->easy, CURLINFO_RETRY_AFTER, &seconds);
        client->retry_after = (int64_t)seconds;
    } else if (client->problem[0] == '\0') {
        strncpy(client->problem, curl.easy_strerror(code), sizeof client->problem - 1);
        client->problem[sizeof client->problem - 1] = '\0';
    }

    // Forgets the options, and with them the caller's pointers, but keeps the connections.
    curl.easy_reset(client->easy);
    curl.slist_free_all(client->headers);
    client->headers = NULL;
    return ccurlshim_outcome_of(client, code);
}

int32_t ccurlshim_client_status(const ccurlshim_client *client)
{
    return client->status;
}

int64_t ccurlshim_client_retry_after(const ccurlshim_client *client)
{
    return client->retry_after;
}

const uint8_t *ccurlshim_client_answer(const ccurlshim_client *client)
{
    return client->answer_length == 0 ? NULL : client->answer;
}

size_t ccurlshim_client_answer_length(const ccurlshim_client *client)
{
    return client->answer_length;
}

const char *ccurlshim_client_problem(const ccurlshim_client *client)
{
    return client->problem;
}
