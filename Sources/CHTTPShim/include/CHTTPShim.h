// What the exporter needs of libmicrohttpd, behind a surface that Swift can call: MHD_start_daemon is variadic, its
// callbacks need state between calls, and a connection must be suspended in the same breath as its answer may arrive.
//
// The rules of the road:
// - An exchange is one request and its answer. It is made when the headers are in, handed to `handle` once when the body
//   is in (or when the request is at fault), and freed by libmicrohttpd's completion callback after the answer.
// - `handle` may answer at once or let any thread answer later: the connection is then suspended and resumed.
// - Exactly one chttpshim_exchange_respond or chttpshim_exchange_abandon for each `handle`. After it the exchange must not be touched.
#ifndef CHTTPSHIM_H
#define CHTTPSHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct chttpshim_server chttpshim_server;
typedef struct chttpshim_exchange chttpshim_exchange;

/// Why a request must be refused; its body is then empty.
typedef enum {
    CHTTPSHIM_FAULT_NONE = 0,
    /// The body exceeds the limit.
    CHTTPSHIM_FAULT_BODY_TOO_LARGE,
    /// Content-Length beside Transfer-Encoding, twice, or a transfer coding other than chunked (RFC 9112, section 6.3):
    /// two readers would see two different requests (smuggling), and libmicrohttpd accepts it.
    CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH,
    /// More than one Host (RFC 9112, section 3.2). None at all is refused by libmicrohttpd in strict mode.
    CHTTPSHIM_FAULT_CONTRADICTORY_HOST,
    /// The request came after chttpshim_server_drain: what changes nothing may still be answered.
    CHTTPSHIM_FAULT_DRAINING,
    /// The server stops now: the answer must come within `handle`.
    CHTTPSHIM_FAULT_STOPPING,
    /// No memory for the body, or none left of what all bodies together may take.
    CHTTPSHIM_FAULT_OUT_OF_MEMORY,
    /// Its address had as many connections as may be when this one came.
    CHTTPSHIM_FAULT_TOO_MANY_CONNECTIONS,
    /// Certificates of clients changed since its handshake: it must begin anew.
    CHTTPSHIM_FAULT_OUTDATED,
    /// Its body was thrown away, because `reads_body` says that nobody reads it: it can be answered all the same.
    CHTTPSHIM_FAULT_UNREAD_BODY,
    /// `admit` knows no such user, password or token.
    CHTTPSHIM_FAULT_UNAUTHENTICATED,
    /// `admit` knows who it is, and that he may not.
    CHTTPSHIM_FAULT_FORBIDDEN,
    /// `admit` has too many passwords to check.
    CHTTPSHIM_FAULT_TOO_MANY_ATTEMPTS,
} chttpshim_fault;

typedef struct {
    /// Bound and listening; closed by chttpshim_server_stop.
    int listen_socket;
    unsigned threads;
    unsigned connection_limit;
    /// Seconds without a byte after which a connection closes.
    unsigned idle_timeout_seconds;
    /// Largest body in bytes, as it comes over the wire.
    size_t body_limit_bytes;
    /// Readable bytes behind the end of every body.
    size_t body_padding_bytes;
    /// Passed to the callbacks; the caller keeps it alive until chttpshim_server_stop has returned.
    void *context;
    /// As GnuTLS writes them, lent for the start; with them the server speaks TLS, as whoever chttpshim_tls_use said. NULL
    /// speaks plain HTTP.
    const char *tls_priorities;
    /// Connections at a time from one address (of IPv6, the first half of one); 0 for as many as there may be in all. Requests on
    /// further ones are at fault; a fourth more, and connections are closed at once.
    unsigned connections_per_address;
    /// Called on a server thread when the headers of a sound request are in, before its body is read; answers by
    /// chttpshim_exchange_admit, at once or later. NULL admits all.
    void (*admit)(void *context, chttpshim_exchange *exchange);
    /// Called on a server thread when the headers of a body are in that is not small: whether anybody reads it.
    bool (*reads_body)(void *context, chttpshim_exchange *exchange);
    /// Called on a server thread. `exchange` is lent until chttpshim_exchange_respond.
    void (*handle)(void *context, chttpshim_exchange *exchange);
    /// Called on a server thread when it has read what had arrived, before it suspends connections that have no answer yet:
    /// `handle` may put off to it what it gathers. May be called when there is nothing to do. NULL suspends at once.
    void (*flush)(void *context);
    /// Called on a server thread with what libmicrohttpd has to say; `message` is lent for the call.
    void (*log)(void *context, const char *message);
} chttpshim_options;

/// The identity that servers show in TLS handshakes, and the client certificates that they accept. PEM texts are lent for
/// the call. A function that returns a text returns GnuTLS's reason for its failure (static), or NULL.
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
/// `host` NULL means all addresses, IPv6 and IPv4 in one socket where the system has IPv6. Returns the socket, or -1 with
/// a reason in `error` (lent by the C library, static) and whether it is that the address is taken.
int chttpshim_listen(const char *host, const char *port, bool *is_in_use, const char **error);

/// Writes `127.0.0.1:80` or `[::1]:80` into `buffer`; false where the socket has no such address.
bool chttpshim_socket_address(int listen_socket, char *buffer, size_t capacity);

/// Takes no more connections from a socket that another process keeps open: they wait in it for a successor. The descriptor
/// stays valid, and leads to a socket that nobody can reach. False where the system refuses; nothing has changed then.
///
/// To be called before chttpshim_server_stop: MHD_stop_daemon shuts its listening socket down, for all who hold it.
bool chttpshim_leave_socket(int listen_socket);

/// Starts serving. NULL when libmicrohttpd refuses; the socket is then still the caller's.
chttpshim_server *chttpshim_server_start(const chttpshim_options *options);

/// From now on requests come as CHTTPSHIM_FAULT_DRAINING, and each answer closes its connection; those whose headers are in
/// go on.
///
/// Not by MHD_quiesce_daemon: in 0.9.75 it and the workers of a pool both take the socket out of epoll, and the one that
/// comes second ends the process.
void chttpshim_server_drain(chttpshim_server *server);

/// Ends connections that have taken too long over a request or an answer: 30 s, and a second for each 16 KiB. To be called every
/// second or so.
void chttpshim_server_end_late(chttpshim_server *server);

/// Ends connections that have been reading one answer for so long, to have the memory of those answers back.
void chttpshim_server_end_slow_answers(chttpshim_server *server, unsigned seconds);

/// Requests between their headers and the end of their answer.
unsigned chttpshim_server_requests_in_flight(chttpshim_server *server);

/// Refuses new requests (CHTTPSHIM_FAULT_STOPPING), waits until all that was handed over is answered, closes all connections
/// and frees the server. Blocks; never call it on a server thread.
void chttpshim_server_stop(chttpshim_server *server);

/// Lent until the answer.
const char *chttpshim_exchange_method(const chttpshim_exchange *exchange);
/// The path, percent-decoded, without the query; lent until the answer.
const char *chttpshim_exchange_path(const chttpshim_exchange *exchange);
chttpshim_fault chttpshim_exchange_fault(const chttpshim_exchange *exchange);

/// A header's value or NULL; lent until the answer. The first where there are several.
const char *chttpshim_exchange_header(chttpshim_exchange *exchange, const char *name);

/// A query argument, decoded, or NULL; lent until the answer.
const char *chttpshim_exchange_query(chttpshim_exchange *exchange, const char *name, size_t *length);

/// Arguments in the query, whatever their names.
unsigned chttpshim_exchange_query_count(chttpshim_exchange *exchange);

/// Lets the body be read (CHTTPSHIM_FAULT_NONE), or has the request refused with a fault, from any thread. Exactly once for
/// each `admit`; after it the exchange must not be touched, unless it is called within `admit`.
void chttpshim_exchange_admit(chttpshim_exchange *exchange, chttpshim_fault fault);

/// The body, from malloc, with padding readable behind it. The caller takes it over and frees it; NULL when empty.
void *chttpshim_exchange_take_body(chttpshim_exchange *exchange, size_t *length);

typedef struct {
    const char *name;
    const char *value;
} chttpshim_header;

/// Answers, from any thread.
///
/// `headers` is read during the call. `body` comes from malloc and is taken over, also on failure. `closes` ends the
/// connection after the answer.
void chttpshim_exchange_respond(
    chttpshim_exchange *exchange, unsigned status, const chttpshim_header *headers, size_t header_count, void *body,
    size_t body_length, bool closes);

/// The same with a body that several answers share: `body` is lent until `release` is called with `owner`, once, from any
/// thread, also on failure.
void chttpshim_exchange_respond_shared(
    chttpshim_exchange *exchange, unsigned status, const chttpshim_header *headers, size_t header_count, const void *body,
    size_t body_length, void (*release)(void *owner), void *owner, bool closes);

/// Closes the connection without an answer, from any thread: the outcome is unknown, and whoever asked must ask again.
void chttpshim_exchange_abandon(chttpshim_exchange *exchange);

/// The version of libmicrohttpd that runs, lent for ever.
const char *chttpshim_library_version(void);

#endif
