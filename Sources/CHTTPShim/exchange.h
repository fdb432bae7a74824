// One request and its answer, as the files of the shim share it.
#ifndef CHTTPSHIM_EXCHANGE_H
#define CHTTPSHIM_EXCHANGE_H

#include "CHTTPShim.h"
#include "connections.h"
#include "loop.h"
#include "memory.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <time.h>

struct chttpshim_server {
    chttpshim_options options;
    chttpshim_loop *loops;
    unsigned loop_count;
    chttpshim_connections connections;
    chttpshim_memory *memory;
    // Requests between their headers and the end of their answer.
    atomic_uint in_flight;
    // Exchanges that the service holds: opened and undecided, or handed over and not yet queued. A connection that is
    // suspended when MHD_stop_daemon is called would abort the process.
    atomic_uint pending;
    atomic_bool draining;
    _Atomic int64_t drained_at;
    // New connections are left to another process.
    atomic_bool leaving;
    atomic_bool refusing;
    atomic_bool stopping;
};

// The meeting point of the loop's thread, which suspends or parks, and the deciding thread, which resumes or wakes.
// Orphaned: the peer went away before the answer, while nothing was suspended, or libmicrohttpd refused the request;
// the thread that decides then frees the exchange.
enum chttpshim_decision {
    CHTTPSHIM_AWAITED,
    CHTTPSHIM_DECIDED,
    CHTTPSHIM_AWAITED_SUSPENDED,
    CHTTPSHIM_ORPHANED,
};

struct chttpshim_exchange {
    chttpshim_server *server;
    chttpshim_loop *loop;
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
    // Whether the loop asks for the answer in each turn.
    bool is_parked;
    // By the loop's clock.
    int64_t parked_until;
    bool is_discarding;
    bool has_discarded;

    chttpshim_body body;
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
    chttpshim_loop *loop, struct MHD_Connection *connection, const char *method, const char *path);

/// Counts the exchange as held by the service, and asks the service. Counted before `refusing` is read, while a stop
/// sets `refusing` before it reads the count: one of the two sees the other. False if the server stops.
bool chttpshim_exchange_begin_pending(chttpshim_exchange *exchange);
void chttpshim_exchange_end_pending(chttpshim_exchange *exchange);

/// Queues the answer that is there. The exchange is then no longer pending.
enum MHD_Result chttpshim_exchange_queue_answer(chttpshim_exchange *exchange);

/// Leaves the connection where it is for some milliseconds: the loop asks for its answer in each turn.
void chttpshim_exchange_park(chttpshim_exchange *exchange, int64_t milliseconds);
/// Does nothing if it is not parked.
void chttpshim_exchange_unpark(chttpshim_exchange *exchange);

/// Suspends the connection until the decision; not at all if it has been made meanwhile.
enum MHD_Result chttpshim_exchange_suspend(chttpshim_exchange *exchange, _Atomic enum chttpshim_decision *awaited);

/// Frees an answer that was not queued, and what `open` left.
void chttpshim_exchange_free(chttpshim_exchange *exchange);

/// Decides on the body, once `open` has decided on the request.
enum MHD_Result chttpshim_exchange_begin_body(chttpshim_exchange *exchange);
/// Takes `*length` bytes of the body and sets it to 0. MHD_NO closes the connection.
enum MHD_Result chttpshim_exchange_gather(chttpshim_exchange *exchange, const char *chunk, size_t *length);

/// Hands the request over to the service, or queues the answer that `open` gave.
enum MHD_Result chttpshim_exchange_hand_over(chttpshim_exchange *exchange);

// Callbacks of libmicrohttpd (microhttpd.h). The context is the loop.

enum MHD_Result chttpshim_server_access(
    void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload_data, size_t *upload_data_size, void **request_context);
void chttpshim_server_completed(
    void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code);
void chttpshim_server_log(void *context, const char *format, va_list arguments);
/// Called with the whole target, before libmicrohttpd changes it.
void *chttpshim_server_begin_request(void *context, const char *target, struct MHD_Connection *connection);
/// Called with each name and value of the query, and with the target without the query.
size_t chttpshim_server_unescape(void *context, struct MHD_Connection *connection, char *text);

#endif
