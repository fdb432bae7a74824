// One request and its answer, as the files of the shim share it.
#ifndef CHTTPSHIM_EXCHANGE_H
#define CHTTPSHIM_EXCHANGE_H

#include "CHTTPShim.h"
#include "connections.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <time.h>

struct chttpshim_server {
    chttpshim_options options;
    struct MHD_Daemon *daemon;
    chttpshim_connections connections;
    // Bytes of bodies that are not handed over yet.
    atomic_size_t gathered_bytes;
    // Requests between their headers and the end of their answer.
    atomic_uint in_flight;
    // Exchanges that the service holds: opened and undecided, or handed over and not yet queued. A connection that is
    // suspended when MHD_stop_daemon is called would abort the process.
    atomic_uint pending;
    atomic_bool draining;
    atomic_bool refusing;
};

// The meeting point of the server thread, which suspends, and the deciding thread, which resumes. Orphaned: the peer
// went away before the answer, while nothing was suspended, or libmicrohttpd refused the request; the thread that
// decides then frees the exchange.
enum chttpshim_decision {
    CHTTPSHIM_AWAITED,
    CHTTPSHIM_DECIDED,
    CHTTPSHIM_AWAITED_SUSPENDED,
    CHTTPSHIM_ORPHANED,
};

struct chttpshim_exchange {
    chttpshim_server *server;
    struct MHD_Connection *connection;
    chttpshim_connection *peer;
    // Copied: the peer may go away while its answer is made.
    chttpshim_address address;
    const char *method;
    const char *path;
    chttpshim_fault fault;
    // A header that may come once and came twice, static; or NULL.
    const char *repeated_header;
    // The object that `open` leaves for `handle`. Released through `drop` if the peer goes away in between.
    void *owner;
    bool is_pending;
    bool awaits_opening;
    bool is_handed_over;
    bool is_discarding;
    bool has_discarded;

    char *body;
    size_t body_length;
    size_t body_capacity;
    uint64_t declared_length;
    uint64_t received_length;
    struct timespec discarding_since;

    // The answer. It exists before the body is in if `open` refused the request.
    struct MHD_Response *response;
    // Its body, lent by the response.
    const void *response_body;
    size_t response_length;
    unsigned status;
    bool closes;
    bool is_refused;
    // The treatment of the body that `open` chose.
    chttpshim_opening opening;
    _Atomic enum chttpshim_decision opening_decision;
    _Atomic enum chttpshim_decision answer_decision;
};

/// NULL if there is no memory. `method` and `path` are lent until the exchange is freed.
chttpshim_exchange *chttpshim_exchange_create(
    chttpshim_server *server, struct MHD_Connection *connection, const char *method, const char *path);

/// Counts the exchange as held by the service, and asks the service. Counted before `refusing` is read, while a stop
/// sets `refusing` before it reads the count: one of the two sees the other. False if the server stops.
bool chttpshim_exchange_begin_pending(chttpshim_exchange *exchange);
void chttpshim_exchange_end_pending(chttpshim_exchange *exchange);

/// Queues the answer that is there. The exchange is then no longer pending.
enum MHD_Result chttpshim_exchange_queue_answer(chttpshim_exchange *exchange);

/// Suspends the connection until the decision; not at all if it has been made meanwhile.
enum MHD_Result chttpshim_exchange_suspend(chttpshim_exchange *exchange, _Atomic enum chttpshim_decision *awaited);

/// Frees an answer that was not queued, and what `open` left.
void chttpshim_exchange_free(chttpshim_exchange *exchange);

/// Decides on the body, once `open` has decided on the request.
enum MHD_Result chttpshim_body_begin(chttpshim_exchange *exchange);
/// Takes `*length` bytes of the body and sets it to 0. MHD_NO closes the connection.
enum MHD_Result chttpshim_body_gather(chttpshim_exchange *exchange, const char *chunk, size_t *length);
void chttpshim_body_drop(chttpshim_exchange *exchange);

/// Hands the request over to the service, or queues the answer that `open` gave.
enum MHD_Result chttpshim_exchange_hand_over(chttpshim_exchange *exchange);

#endif
