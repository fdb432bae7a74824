// What the exporter needs of libmicrohttpd, behind a surface that Swift can call: MHD_start_daemon is variadic, its
// callbacks need state between calls, and suspending a connection races with its answer; one atomic state decides which
// came first.
//
// The life of an exchange:
// - An exchange is one request and its answer. It is made when the headers are in and freed by libmicrohttpd's
//   completion callback after the answer.
// - `open` is called once, when the headers are in. It lets the request go on (chttpshim_exchange_proceed) or answers
//   it (chttpshim_exchange_respond): at once, or later from any thread. The connection is suspended meanwhile.
// - `handle` is called once for a request that went on, when its body is in or at fault. It answers at once, or later
//   from any thread.
// - Exactly one decision for each `open` and each `handle`. After it the exchange must not be touched.
#ifndef CHTTPSHIM_H
#define CHTTPSHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct chttpshim_server chttpshim_server;
typedef struct chttpshim_exchange chttpshim_exchange;
typedef struct chttpshim_response chttpshim_response;
typedef struct chttpshim_share chttpshim_share;

/// Why a request must be refused; its body is then empty.
typedef enum {
    CHTTPSHIM_FAULT_NONE = 0,
    /// Content-Length beside Transfer-Encoding, twice, or a transfer coding other than chunked (RFC 9112, section 6.3):
    /// two readers would see two different requests (smuggling), and libmicrohttpd accepts it. Seen by `open`.
    CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH,
    /// A Content-Length that is not digits alone (RFC 9110, section 8.6). Seen by `open`.
    CHTTPSHIM_FAULT_MALFORMED_LENGTH,
    /// No Host, more than one, or one that is no host (RFC 9112, section 3.2). Seen by `open`.
    CHTTPSHIM_FAULT_CONTRADICTORY_HOST,
    /// A target that is neither a path, nor an http or https URI, nor `*` (RFC 9112, section 3.2). Seen by `open`.
    CHTTPSHIM_FAULT_MALFORMED_TARGET,
    /// A request line or a header that readers understand differently (RFC 9112, sections 2.2, 3, 5.1 and 5.2). Seen by
    /// `open`.
    CHTTPSHIM_FAULT_MALFORMED,
    /// No memory for the headers in libmicrohttpd. Seen by `open`.
    CHTTPSHIM_FAULT_HEADERS_TOO_LARGE,
    /// The request came after chttpshim_server_drain: what changes nothing may still be answered. Seen by `open`.
    CHTTPSHIM_FAULT_DRAINING,
    /// The server stops now: the answer must come within the call. Seen by both.
    CHTTPSHIM_FAULT_STOPPING,
    /// The client's address was already at its connection limit. Seen by `open`.
    CHTTPSHIM_FAULT_TOO_MANY_CONNECTIONS,
    /// The certificates asked of clients changed since the handshake: the client must connect again. Seen by `open`.
    CHTTPSHIM_FAULT_OUTDATED,
    /// The body exceeds the limit. Seen by `handle`; by `open` if its length exceeds all integers.
    CHTTPSHIM_FAULT_BODY_TOO_LARGE,
    /// No memory for the body, or its client's share of the memory of bodies is used up. Seen by `handle`.
    CHTTPSHIM_FAULT_OUT_OF_MEMORY,
} chttpshim_fault;

/// The treatment of the body of a request that goes on.
typedef enum {
    CHTTPSHIM_READ_BODY = 0,
    /// Read from the connection and thrown away: it takes no memory.
    CHTTPSHIM_DISCARD_BODY,
} chttpshim_opening;

typedef struct {
    /// Bound and listening; closed by chttpshim_server_stop.
    int listen_socket;
    /// Each runs an event loop.
    unsigned threads;
    unsigned connection_limit;
    /// Seconds without a byte after which a connection closes.
    unsigned idle_timeout_seconds;
    /// Largest body in bytes, as it comes over the wire.
    size_t body_limit_bytes;
    /// The most that all bodies together take, until they are released. Shared out by client; a quarter more is kept
    /// for bodies that arrive in one piece, and for clients that hold little.
    size_t body_memory_bytes;
    /// Readable bytes behind the end of every body.
    size_t body_padding_bytes;
    /// Passed to the callbacks; the caller keeps it alive until chttpshim_server_stop has returned.
    void *context;
    /// As GnuTLS writes them, lent for the call that starts the server. With them the server speaks TLS under the
    /// identity of chttpshim_tls_use. NULL speaks plain HTTP.
    const char *tls_priorities;
    /// Connections at a time from one address (of IPv6, from one /64 prefix); 0 for no limit of its own. Requests on
    /// further connections are at fault; a quarter more, and connections are closed at once.
    unsigned connections_per_address;
    /// Called on a server thread when the headers of a request are in.
    void (*open)(void *context, chttpshim_exchange *exchange);
    /// Called on a server thread when the body of a request is in.
    void (*handle)(void *context, chttpshim_exchange *exchange);
    /// Called on a server thread with the owner of an exchange whose client went away between `open` and `handle`.
    void (*drop)(void *owner);
    /// Called on a server thread when it has read what had arrived: `handle` may put off to it what it gathers. May be
    /// called when there is nothing to do. NULL if nothing is put off.
    void (*flush)(void *context);
    /// Called on a server thread with a message of libmicrohttpd, lent for the call.
    void (*log)(void *context, const char *message);
} chttpshim_options;

/// The identity that servers show in TLS handshakes, and the client certificates that they accept. PEM texts are lent
/// for the call. A function that returns a text returns GnuTLS's reason for its failure (static), or NULL.
typedef struct chttpshim_tls_identity chttpshim_tls_identity;

/// The caller's, until chttpshim_tls_use. NULL if there is no memory.
chttpshim_tls_identity *chttpshim_tls_identity_create(void);
void chttpshim_tls_identity_free(chttpshim_tls_identity *identity);

/// Needed: the server's certificate, followed by those that lead to an authority; at most 16. Called once.
const char *chttpshim_tls_identity_set_certificate(chttpshim_tls_identity *identity, const char *certificate);
/// Needed: the certificate's private key. Called once.
const char *chttpshim_tls_identity_set_key(chttpshim_tls_identity *identity, const char *key);
/// Whether the key is the certificate's: both are used as they are set.
const char *chttpshim_tls_check_pair(const char *certificate, const char *key);

/// Asks clients for a certificate, and refuses those that show none (`requires`), or one that no authority vouches for
/// (`verifies`).
void chttpshim_tls_identity_ask_clients(chttpshim_tls_identity *identity, bool requires, bool verifies);
/// Needed if certificates are verified. Called once.
const char *chttpshim_tls_identity_set_client_authorities(chttpshim_tls_identity *identity, const char *authorities);
/// Adds a subject alternative name; a client's certificate must have one of those added. Without any, all are accepted.
const char *chttpshim_tls_identity_add_client_name(chttpshim_tls_identity *identity, const char *name);

/// Makes it the identity of all handshakes that begin from now on. It is never freed: a handshake may still use it, and
/// GnuTLS does not report when a handshake ends.
void chttpshim_tls_use(chttpshim_tls_identity *identity);

/// Opens a listening socket: variadic fcntl and unions of sockaddr are awkward from Swift.
///
/// `host` NULL means all addresses, IPv6 and IPv4 in one socket if the system has IPv6. Returns the socket, or -1 with
/// a reason in `error` (lent by the C library, static) and whether it is that the address is taken.
int chttpshim_listen(const char *host, const char *port, bool *is_in_use, const char **error);

/// Writes `127.0.0.1:80` or `[::1]:80` into `buffer`; false if the socket has no such address.
bool chttpshim_socket_address(int listen_socket, char *buffer, size_t capacity);

/// Starts serving. NULL if libmicrohttpd refuses; the socket is then still the caller's.
chttpshim_server *chttpshim_server_start(const chttpshim_options *options);

/// From now on requests come as CHTTPSHIM_FAULT_DRAINING, and each answer closes its connection. Requests whose headers
/// are in go on. Connections whose client has gone within a request end.
///
/// `leaves_socket`: takes no more connections from the socket, which another process keeps open: they wait in it for a
/// successor.
void chttpshim_server_drain(chttpshim_server *server, bool leaves_socket);

/// Ends connections that have been reading one answer for this long, to free the memory of those answers.
void chttpshim_server_end_slow_answers(chttpshim_server *server, unsigned seconds);

/// Requests between their headers and the end of their answer, and clients that have just connected and are about to
/// send one.
unsigned chttpshim_server_requests_in_flight(chttpshim_server *server);

/// Refuses new requests (CHTTPSHIM_FAULT_STOPPING), waits until all that `open` and `handle` hold is decided, closes
/// all connections and frees the server. Blocks; never call it on a server thread.
void chttpshim_server_stop(chttpshim_server *server);

/// Lent until the decision.
const char *chttpshim_exchange_method(const chttpshim_exchange *exchange);
/// The path, percent-decoded, without the query; lent until the decision.
const char *chttpshim_exchange_path(const chttpshim_exchange *exchange);
chttpshim_fault chttpshim_exchange_fault(const chttpshim_exchange *exchange);

/// Bytes that the text of an address takes, with the zero at its end.
enum { CHTTPSHIM_PEER_BYTES = 64 };

/// Writes the client's address, without its port, into `buffer`: `192.0.2.1` or `2001:db8::1`. As a network, an IPv6
/// address is its /64 prefix, which one host or household has: `2001:db8::/64`. From any thread, until the decision.
void chttpshim_exchange_peer(const chttpshim_exchange *exchange, bool as_network, char *buffer, size_t capacity);

/// A header that no request may have twice, and that this one has twice; static, or NULL.
const char *chttpshim_exchange_repeated_header(const chttpshim_exchange *exchange);

/// The value in the header's line `index`, from 0, or NULL; lent until the decision. The Host of a request for a whole
/// URI is that of the URI.
const char *chttpshim_exchange_header(chttpshim_exchange *exchange, const char *name, unsigned index);

/// A query argument, decoded, or NULL; lent until the decision.
const char *chttpshim_exchange_query(chttpshim_exchange *exchange, const char *name, size_t *length);

/// Arguments in the query, whatever their names.
unsigned chttpshim_exchange_query_count(chttpshim_exchange *exchange);

/// Lets a request go on, from any thread. `owner` is kept for `handle`, which takes it over, or for `drop`. `client` is
/// the number of the client that is known by name, or 0.
void chttpshim_exchange_proceed(chttpshim_exchange *exchange, chttpshim_opening opening, uint64_t client, void *owner);

/// The client whose share the request takes: the number of `chttpshim_exchange_proceed`, else one for the client's
/// network. From any thread, until the decision.
uint64_t chttpshim_exchange_client(const chttpshim_exchange *exchange);

/// The owner that chttpshim_exchange_proceed kept, for `handle`; the caller takes it over.
void *chttpshim_exchange_take_owner(chttpshim_exchange *exchange);

/// The body, with padding readable behind it, or NULL if it is empty. The caller takes it over: if `mapped_length` is
/// not 0, it is that many bytes from mmap, else from malloc.
///
/// `share` is to be released when it is freed, unless it is NULL: until then it counts in its client's share.
void *chttpshim_exchange_take_body(
    chttpshim_exchange *exchange, size_t *length, size_t *mapped_length, chttpshim_share **share);

/// A share of the client in the memory of bodies, which counts nothing yet; to be released. NULL if there is no memory.
/// From any thread, until the decision.
chttpshim_share *chttpshim_exchange_share(chttpshim_exchange *exchange);

/// Counts `bytes` more. If there is no room, bodies that still arrive give way. False if there is still too little.
/// This function and those below may be called from any thread, also after the server has stopped.
bool chttpshim_share_grow(chttpshim_share *share, size_t bytes);
void chttpshim_share_release(chttpshim_share *share);

/// An answer with a body from malloc, which is taken over, also on failure. NULL if there is no memory.
chttpshim_response *chttpshim_response_create(void *body, size_t length);

/// An answer with a body that several answers share: `body` is lent until `release` is called with `owner`, once, from
/// any thread, also on failure. NULL if there is no memory.
chttpshim_response *chttpshim_response_create_shared(
    const void *body, size_t length, void (*release)(void *owner), void *owner);

/// Adds a header, which is copied. Does nothing for a response that is NULL.
void chttpshim_response_add_header(chttpshim_response *response, const char *name, const char *value);

/// Until chttpshim_release_wakes, this thread does not wake server threads when it decides. The decisions in between
/// wake each of them once. Calls may be nested.
void chttpshim_hold_wakes(void);
void chttpshim_release_wakes(void);

/// Answers, from any thread; takes `response` over, whose body has `length` bytes at `body`. In `open` the request is
/// refused: a small body is read and discarded before the answer is sent. `closes` ends the connection after the
/// answer.
///
/// A response that is NULL closes the connection without an answer: the outcome is unknown to the client.
void chttpshim_exchange_respond(
    chttpshim_exchange *exchange, unsigned status, chttpshim_response *response, const void *body, size_t length,
    bool closes);

/// The version of libmicrohttpd that runs; static.
const char *chttpshim_library_version(void);

#endif
