// What the exporter needs of libmicrohttpd, behind a surface that Swift can call: MHD_start_daemon is variadic, its
// callbacks need state between calls, and a connection must be suspended in the same breath as its answer may arrive.
//
// The rules of the road:
// - An exchange is one request and its answer. It is made when the headers are in, handed to `handle` once when the body
//   is in (or when the request is at fault), and freed by libmicrohttpd's completion callback after the answer.
// - `handle` may answer at once or let any thread answer later: the connection is then suspended and resumed.
// - Exactly one llmhttp_exchange_respond or llmhttp_exchange_abandon for each `handle`. After it the exchange must not be touched.
#ifndef CHTTPSHIM_H
#define CHTTPSHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct llmhttp_server llmhttp_server;
typedef struct llmhttp_exchange llmhttp_exchange;

/// Why a request must be refused; its body is then empty.
typedef enum {
    LLMHTTP_FAULT_NONE = 0,
    /// The body exceeds the limit.
    LLMHTTP_FAULT_BODY_TOO_LARGE,
    /// Content-Length beside Transfer-Encoding, twice, or a transfer coding other than chunked (RFC 9112, section 6.3):
    /// two readers would see two different requests (smuggling), and libmicrohttpd accepts it.
    LLMHTTP_FAULT_CONTRADICTORY_LENGTH,
    /// More than one Host (RFC 9112, section 3.2). None at all is refused by libmicrohttpd in strict mode.
    LLMHTTP_FAULT_CONTRADICTORY_HOST,
    /// The request came after llmhttp_server_drain: what changes nothing may still be answered.
    LLMHTTP_FAULT_DRAINING,
    /// The server stops now: the answer must come within `handle`.
    LLMHTTP_FAULT_STOPPING,
    /// No memory for the body, or none left of what all bodies together may take.
    LLMHTTP_FAULT_OUT_OF_MEMORY,
} llmhttp_fault;

typedef struct {
    /// Bound and listening; closed by llmhttp_server_stop.
    int listen_socket;
    unsigned threads;
    unsigned connection_limit;
    /// Seconds without a byte after which a connection closes.
    unsigned idle_timeout_seconds;
    /// Largest body in bytes, as it comes over the wire.
    size_t body_limit_bytes;
    /// Readable bytes behind the end of every body.
    size_t body_padding_bytes;
    /// Passed to the callbacks; the caller keeps it alive until llmhttp_server_stop has returned.
    void *context;
    /// Called on a server thread. `exchange` is lent until llmhttp_exchange_respond.
    void (*handle)(void *context, llmhttp_exchange *exchange);
    /// Called on a server thread when it has read what had arrived, before it suspends connections that have no answer yet:
    /// `handle` may put off to it what it gathers. May be called when there is nothing to do. NULL suspends at once.
    void (*flush)(void *context);
    /// Called on a server thread with what libmicrohttpd has to say; `message` is lent for the call.
    void (*log)(void *context, const char *message);
} llmhttp_options;

/// Opens a listening socket: variadic fcntl and unions of sockaddr are awkward from Swift.
///
/// `host` NULL means all addresses, IPv6 and IPv4 in one socket where the system has IPv6. Returns the socket, or -1 with
/// a reason in `error` (lent by the C library, static) and whether it is that the address is taken.
int llmhttp_listen(const char *host, const char *port, bool *is_in_use, const char **error);

/// Writes `127.0.0.1:80` or `[::1]:80` into `buffer`; false where the socket has no such address.
bool llmhttp_socket_address(int listen_socket, char *buffer, size_t capacity);

/// Takes no more connections from a socket that another process keeps open: they wait in it for a successor. The descriptor
/// stays valid, and leads to a socket that nobody can reach. False where the system refuses; nothing has changed then.
///
/// To be called before llmhttp_server_stop: MHD_stop_daemon shuts its listening socket down, for all who hold it.
bool llmhttp_leave_socket(int listen_socket);

/// Starts serving. NULL when libmicrohttpd refuses; the socket is then still the caller's.
llmhttp_server *llmhttp_server_start(const llmhttp_options *options);

/// From now on requests come as LLMHTTP_FAULT_DRAINING, and each answer closes its connection; those whose headers are in
/// go on.
///
/// Not by MHD_quiesce_daemon: in 0.9.75 it and the workers of a pool both take the socket out of epoll, and the one that
/// comes second ends the process.
void llmhttp_server_drain(llmhttp_server *server);

/// Requests between their headers and the end of their answer.
unsigned llmhttp_server_requests_in_flight(llmhttp_server *server);

/// Refuses new requests (LLMHTTP_FAULT_STOPPING), waits until all that was handed over is answered, closes all connections
/// and frees the server. Blocks; never call it on a server thread.
void llmhttp_server_stop(llmhttp_server *server);

/// Lent until the answer.
const char *llmhttp_exchange_method(const llmhttp_exchange *exchange);
/// The path, percent-decoded, without the query; lent until the answer.
const char *llmhttp_exchange_path(const llmhttp_exchange *exchange);
llmhttp_fault llmhttp_exchange_fault(const llmhttp_exchange *exchange);

/// A header's value or NULL; lent until the answer. The first where there are several.
const char *llmhttp_exchange_header(llmhttp_exchange *exchange, const char *name);

/// A query argument, decoded, or NULL; lent until the answer.
const char *llmhttp_exchange_query(llmhttp_exchange *exchange, const char *name, size_t *length);

/// Arguments in the query, whatever their names.
unsigned llmhttp_exchange_query_count(llmhttp_exchange *exchange);

/// The body, from malloc, with padding readable behind it. The caller takes it over and frees it; NULL when empty.
void *llmhttp_exchange_take_body(llmhttp_exchange *exchange, size_t *length);

typedef struct {
    const char *name;
    const char *value;
} llmhttp_header;

/// Answers, from any thread.
///
/// `headers` is read during the call. `body` comes from malloc and is taken over, also on failure. `closes` ends the
/// connection after the answer.
void llmhttp_exchange_respond(
    llmhttp_exchange *exchange, unsigned status, const llmhttp_header *headers, size_t header_count, void *body,
    size_t body_length, bool closes);

/// Closes the connection without an answer, from any thread: the outcome is unknown, and whoever asked must ask again.
void llmhttp_exchange_abandon(llmhttp_exchange *exchange);

/// The version of libmicrohttpd that runs, lent for ever.
const char *llmhttp_library_version(void);

#endif
