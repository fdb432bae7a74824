// libcurl for Swift: `curl_easy_setopt` and `curl_easy_getinfo` are variadic, which Swift cannot call.
//
// A client holds one easy handle, and with it the connections that stay open between requests. One thread at a time may
// use a client; different clients may be used on different threads. All lengths are in bytes.
#ifndef CCURLSHIM_SHIM_H
#define CCURLSHIM_SHIM_H

#include <stddef.h>
#include <stdint.h>

// One easy handle, its pending request headers and the last answer. Opaque, so that no type of libcurl leaves the shim.
typedef struct ccurlshim_client ccurlshim_client;

// How a request ended: one kind for each remedy that a user has.
typedef enum {
    CCURLSHIM_ANSWERED = 0,
    CCURLSHIM_BAD_URL,
    CCURLSHIM_UNRESOLVED,
    CCURLSHIM_REFUSED,
    CCURLSHIM_TIMED_OUT,
    CCURLSHIM_TOO_LARGE,
    CCURLSHIM_OUT_OF_MEMORY,
    CCURLSHIM_FAILED,
} ccurlshim_outcome;

// Loads libcurl, if it is not loaded yet. Returns the reason why it cannot be used (static), or NULL.
const char *ccurlshim_load(void);

// Makes a client, because a handle must be set up before its first use. The caller owns the result and gives it to
// `ccurlshim_client_free`. NULL when memory is out, or libcurl cannot be used.
ccurlshim_client *ccurlshim_client_create(void);

// Closes the connections and frees `client` with all that it owns. NULL is allowed.
void ccurlshim_client_free(ccurlshim_client *client);

// Sets the credentials, and the file with the authorities whose certificates are accepted; each may be NULL. Call it at
// most once, before the first request. All are copied. Returns 0, or -1 when memory is out.
int ccurlshim_client_use_access(
    ccurlshim_client *client, const char *ca_file, const char *username, const char *password, const char *token);

// Adds a header line (`Name: value`, or `Name;` for an empty value) to the next request, because libcurl wants a linked
// list of its own. `line` stays the caller's and is copied. Returns 0, or -1 when memory is out.
int ccurlshim_client_add_header(ccurlshim_client *client, const char *line);

// Sends one request and waits for its answer, because the options of a transfer are set by variadic calls.
//
// `method` and `url` end in NUL. `body` holds `body_length` bytes, or is NULL when there is none. All three stay the
// caller's and are read only during the call. The headers added before are used up. An answer of more than
// `answer_limit` bytes ends the transfer with CCURLSHIM_TOO_LARGE.
ccurlshim_outcome ccurlshim_client_send(
    ccurlshim_client *client, const char *method, const char *url, const uint8_t *body, size_t body_length,
    int64_t connect_limit_ms, int64_t total_limit_ms, size_t answer_limit);

// The status code of the last answer, because `curl_easy_getinfo` is variadic too.
int32_t ccurlshim_client_status(const ccurlshim_client *client);

// Seconds that the last answer asks to wait for (Retry-After); 0 if it asks for none.
int64_t ccurlshim_client_retry_after(const ccurlshim_client *client);

// The body of the last answer, gathered by the shim because libcurl delivers it in pieces. The client owns the bytes;
// they are valid until its next `send` or `free`. NULL when the body is empty.
const uint8_t *ccurlshim_client_answer(const ccurlshim_client *client);

// The length of the bytes at `ccurlshim_client_answer`, which do not end in NUL.
size_t ccurlshim_client_answer_length(const ccurlshim_client *client);

// libcurl's text about the last failure, ending in NUL, for the user's error line. The client owns the text; it is
// valid until its next `send` or `free`.
const char *ccurlshim_client_problem(const ccurlshim_client *client);

#endif
