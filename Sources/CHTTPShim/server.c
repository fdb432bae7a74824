// One server on one listening socket: what libmicrohttpd calls, and the life of the server's loops. See CHTTPShim.h for
// the rules.

#include "CHTTPShim.h"
#include "exchange.h"
#include "framing.h"
#include "loop.h"
#include "refused.h"
#include "tls.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(MHD_VERSION >= 0x00097300, "MHD_USE_EPOLL without a thread of libmicrohttpd's is tested from 0.9.73 on");

// While draining, clients that have just connected are waited for only this long.
enum { FRESH_PATIENCE_MILLISECONDS = 500 };

// MARK: Requests

static chttpshim_fault fault_of(chttpshim_exchange *exchange, const char *version)
{
    chttpshim_server *server = exchange->server;
    if (server->options.tls_priorities != NULL && chttpshim_connection_is_outdated(exchange->peer))
        return CHTTPSHIM_FAULT_OUTDATED;
    chttpshim_framing framing = chttpshim_framing_check(
        exchange->connection, exchange->method, version, chttpshim_connection_target(exchange->peer));
    exchange->repeated_header = framing.repeated;
    if (framing.fault != CHTTPSHIM_FAULT_NONE) return framing.fault;
    if (atomic_load(&server->draining)) return CHTTPSHIM_FAULT_DRAINING;
    if (chttpshim_connection_is_beyond_limit(exchange->peer)) return CHTTPSHIM_FAULT_TOO_MANY_CONNECTIONS;
    return CHTTPSHIM_FAULT_NONE;
}

// Goes on once the service has decided on the request.
static enum MHD_Result opened(chttpshim_exchange *exchange)
{
    exchange->awaits_opening = false;
    chttpshim_exchange_end_pending(exchange);
    // A permission to send the body is sent in the next turn.
    if (exchange->loop->parked > 0) exchange->loop->must_run_again = true;
    // The service has seen the fault and answers the request all the same.
    exchange->fault = CHTTPSHIM_FAULT_NONE;
    return chttpshim_exchange_begin_body(exchange);
}

static enum MHD_Result open_request(chttpshim_exchange *exchange, const char *version)
{
    chttpshim_server *server = exchange->server;
    exchange->awaits_opening = true;
    bool may_serve = chttpshim_exchange_begin_pending(exchange);
    exchange->fault = may_serve ? fault_of(exchange, version) : CHTTPSHIM_FAULT_STOPPING;
    server->options.open(server->options.context, exchange);
    if (atomic_load(&exchange->opening_decision) == CHTTPSHIM_DECIDED) return opened(exchange);
    return chttpshim_exchange_suspend(exchange, &exchange->opening_decision);
}

enum MHD_Result chttpshim_exchange_hand_over(chttpshim_exchange *exchange)
{
    chttpshim_server *server = exchange->server;
    exchange->is_handed_over = true;
    if (exchange->is_refused) return chttpshim_exchange_queue_answer(exchange);
    if (!chttpshim_body_finish(&exchange->body) && exchange->fault == CHTTPSHIM_FAULT_NONE)
        exchange->fault = CHTTPSHIM_FAULT_OUT_OF_MEMORY;
    if (!chttpshim_exchange_begin_pending(exchange)) exchange->fault = CHTTPSHIM_FAULT_STOPPING;
    server->options.handle(server->options.context, exchange);
    if (atomic_load(&exchange->answer_decision) == CHTTPSHIM_DECIDED) return chttpshim_exchange_queue_answer(exchange);
    // While connections are parked, libmicrohttpd cannot say whether others need another turn at once, and TLS often
    // does: there they are parked only for the flush that ends this turn.
    bool is_secure = server->options.tls_priorities != NULL;
    if (is_secure && server->options.flush == NULL)
        return chttpshim_exchange_suspend(exchange, &exchange->answer_decision);
    chttpshim_exchange_park(exchange, is_secure ? 0 : CHTTPSHIM_PARK_MILLISECONDS);
    return MHD_YES;
}

// A later call for a request that had no answer at the first.
static enum MHD_Result await(chttpshim_exchange *exchange)
{
    if (atomic_load(&exchange->answer_decision) == CHTTPSHIM_DECIDED) return chttpshim_exchange_queue_answer(exchange);
    if (exchange->is_parked && exchange->loop->now < exchange->parked_until) return MHD_YES;
    chttpshim_exchange_unpark(exchange);
    return chttpshim_exchange_suspend(exchange, &exchange->answer_decision);
}

enum MHD_Result chttpshim_server_access(
    void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload_data, size_t *upload_data_size, void **request_context)
{
    (void)url;
    chttpshim_loop *loop = context;
    chttpshim_exchange *exchange = *request_context;
    if (exchange == NULL) {
        chttpshim_connection *peer = chttpshim_connection_of(connection);
        if (peer == NULL) return MHD_NO;
        chttpshim_connection_open_request(peer);
        exchange = chttpshim_exchange_create(loop, connection, method, chttpshim_connection_target(peer)->path);
        if (exchange == NULL) return MHD_NO;
        *request_context = exchange;
        return open_request(exchange, version);
    }
    // Resumed, and called for the headers once more.
    if (exchange->awaits_opening) return opened(exchange);
    if (*upload_data_size > 0) return chttpshim_exchange_gather(exchange, upload_data, upload_data_size);
    if (!exchange->is_handed_over) return chttpshim_exchange_hand_over(exchange);
    return await(exchange);
}

void chttpshim_server_completed(
    void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code)
{
    (void)code;
    chttpshim_loop *loop = context;
    chttpshim_server *server = loop->server;
    // The next request of the connection may be in already.
    loop->must_run_again = true;
    chttpshim_exchange *exchange = *request_context;
    if (exchange == NULL) return;
    *request_context = NULL;
    chttpshim_exchange_unpark(exchange);
    chttpshim_body_clear(&exchange->body);
    chttpshim_connection_rest(exchange->peer);
    if (exchange->has_discarded)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, server->options.idle_timeout_seconds);
    // If the peer went away while its answer was made, libmicrohttpd does not ask for that answer any more, and the
    // thread that makes it still has the exchange.
    enum chttpshim_decision before = CHTTPSHIM_AWAITED;
    bool is_orphaned = exchange->is_pending && exchange->is_handed_over
        && atomic_compare_exchange_strong(&exchange->answer_decision, &before, CHTTPSHIM_ORPHANED);
    if (!is_orphaned) chttpshim_exchange_free(exchange);
    atomic_fetch_sub(&server->in_flight, 1);
}

void chttpshim_server_log(void *context, const char *format, va_list arguments)
{
    chttpshim_loop *loop = context;
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    // A refusal of libmicrohttpd's own is sent in the next turn.
    loop->must_run_again = true;
    loop->server->options.log(loop->server->options.context, message);
    chttpshim_refused_answer(loop, message);
}

void *chttpshim_server_begin_request(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    chttpshim_connection *peer = chttpshim_connection_of(connection);
    if (peer != NULL) chttpshim_connection_begin_request(peer, target);
    // The exchange is made when the headers are in.
    return NULL;
}

size_t chttpshim_server_unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    chttpshim_connection *peer = chttpshim_connection_of(connection);
    if (peer == NULL || chttpshim_connection_target(peer)->text != text) return chttpshim_unescape(text);
    chttpshim_target_take_apart(chttpshim_connection_target(peer), text);
    return strlen(text);
}

// MARK: Life

static void free_server(chttpshim_server *server)
{
    chttpshim_connections_destroy(&server->connections);
    if (server->memory != NULL) chttpshim_memory_release(server->memory);
    free(server->loops);
    free(server);
}

static void wake_loops(chttpshim_server *server)
{
    for (unsigned index = 0; index < server->loop_count; index++) chttpshim_loop_wake(&server->loops[index]);
}

static void stop_loops(chttpshim_server *server, unsigned begun)
{
    atomic_store(&server->stopping, true);
    wake_loops(server);
    for (unsigned index = 0; index < begun; index++) chttpshim_loop_join(&server->loops[index]);
    for (unsigned index = 0; index < server->loop_count; index++) chttpshim_loop_close(&server->loops[index]);
}

static bool start_loops(chttpshim_server *server)
{
    unsigned threads = server->options.threads;
    for (; server->loop_count < threads; server->loop_count++) {
        // The first loops take the remainder.
        unsigned limit = server->options.connection_limit / threads
            + (server->loop_count < server->options.connection_limit % threads ? 1 : 0);
        if (!chttpshim_loop_open(&server->loops[server->loop_count], server, limit)) break;
    }
    unsigned begun = 0;
    if (server->loop_count == threads)
        while (begun < threads && chttpshim_loop_begin(&server->loops[begun])) begun++;
    if (begun == threads) return true;
    stop_loops(server, begun);
    return false;
}

chttpshim_server *chttpshim_server_start(const chttpshim_options *options)
{
    chttpshim_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->options = *options;
    chttpshim_connections_init(&server->connections, options);
    server->memory = chttpshim_memory_create(options->body_memory_bytes);
    server->loops = calloc(options->threads, sizeof *server->loops);
    if (server->memory != NULL && server->loops != NULL && start_loops(server)) return server;
    free_server(server);
    return NULL;
}

void chttpshim_server_drain(chttpshim_server *server, bool leaves_socket)
{
    atomic_store(&server->drained_at, chttpshim_now());
    atomic_store(&server->leaving, leaves_socket);
    atomic_store(&server->draining, true);
    // They end requests whose client has gone: those would hold up the end.
    wake_loops(server);
}

void chttpshim_server_end_slow_answers(chttpshim_server *server, unsigned seconds)
{
    chttpshim_connections_end_slow_answers(&server->connections, seconds);
}

unsigned chttpshim_server_requests_in_flight(chttpshim_server *server)
{
    unsigned in_flight = atomic_load(&server->in_flight);
    // If the socket stays open, new clients must not hold up the end without a limit.
    bool are_fresh_waited_for = chttpshim_now() - atomic_load(&server->drained_at) < FRESH_PATIENCE_MILLISECONDS;
    return in_flight + (are_fresh_waited_for ? chttpshim_connections_count_fresh(&server->connections) : 0);
}

static bool is_undecided(chttpshim_server *server)
{
    if (atomic_load(&server->pending) > 0) return true;
    for (unsigned index = 0; index < server->loop_count; index++)
        if (atomic_load(&server->loops[index].deciding) > 0) return true;
    return false;
}

void chttpshim_server_stop(chttpshim_server *server)
{
    atomic_store(&server->refusing, true);
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    while (is_undecided(server)) nanosleep(&pause, NULL);
    int listen_socket = server->options.listen_socket;
    stop_loops(server, server->loop_count);
    free_server(server);
    close(listen_socket);
}

const char *chttpshim_library_version(void)
{
    return MHD_get_version();
}
