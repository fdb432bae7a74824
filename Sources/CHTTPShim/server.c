// One libmicrohttpd daemon on one listening socket. See CHTTPShim.h for the rules.

#include "CHTTPShim.h"
#include "exchange.h"
#include "framing.h"
#include "refused.h"
#include "tls.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(
    MHD_VERSION >= 0x00097300, "MHD_OPTION_LISTEN_SOCKET with a pool of epoll threads is tested from 0.9.73 on");

// A buffer for a connection's headers and for one read of its body. libmicrohttpd clears it for each request: twice the
// size costs a small post another microsecond, and makes large bodies no cheaper.
enum { CONNECTION_MEMORY_BYTES = 32 * 1024 };

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
    // The service has seen the fault and answers the request all the same.
    exchange->fault = CHTTPSHIM_FAULT_NONE;
    return chttpshim_body_begin(exchange);
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
    if (exchange->is_refused) {
        // A daemon that shuts down takes no answer and calls again: the exchange must not be suspended then.
        atomic_store(&exchange->answer_decision, CHTTPSHIM_DECIDED);
        return chttpshim_exchange_queue_answer(exchange);
    }
    if (!chttpshim_exchange_begin_pending(exchange)) exchange->fault = CHTTPSHIM_FAULT_STOPPING;
    server->options.handle(server->options.context, exchange);
    if (atomic_load(&exchange->answer_decision) == CHTTPSHIM_DECIDED) return chttpshim_exchange_queue_answer(exchange);
    // libmicrohttpd calls again in the next turn of its loop, when this thread has read what else had arrived.
    if (server->options.flush != NULL) return MHD_YES;
    return chttpshim_exchange_suspend(exchange, &exchange->answer_decision);
}

// A later call for a request that had no answer at the first.
static enum MHD_Result await(chttpshim_exchange *exchange)
{
    chttpshim_server *server = exchange->server;
    if (server->options.flush != NULL && atomic_load(&exchange->answer_decision) != CHTTPSHIM_DECIDED)
        server->options.flush(server->options.context);
    if (atomic_load(&exchange->answer_decision) == CHTTPSHIM_DECIDED) return chttpshim_exchange_queue_answer(exchange);
    return chttpshim_exchange_suspend(exchange, &exchange->answer_decision);
}

static enum MHD_Result access_handler(
    void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload_data, size_t *upload_data_size, void **request_context)
{
    (void)url;
    chttpshim_server *server = context;
    chttpshim_exchange *exchange = *request_context;
    if (exchange == NULL) {
        chttpshim_connection *peer = chttpshim_connection_of(connection);
        if (peer == NULL) return MHD_NO;
        chttpshim_connection_open_request(peer);
        exchange = chttpshim_exchange_create(server, connection, method, chttpshim_connection_target(peer)->path);
        if (exchange == NULL) return MHD_NO;
        *request_context = exchange;
        return open_request(exchange, version);
    }
    // Resumed, and called for the headers once more.
    if (exchange->awaits_opening) return opened(exchange);
    if (*upload_data_size > 0) return chttpshim_body_gather(exchange, upload_data, upload_data_size);
    if (!exchange->is_handed_over) return chttpshim_exchange_hand_over(exchange);
    return await(exchange);
}

static void request_completed(
    void *context, struct MHD_Connection *connection, void **request_context, enum MHD_RequestTerminationCode code)
{
    (void)code;
    chttpshim_server *server = context;
    chttpshim_exchange *exchange = *request_context;
    if (exchange == NULL) return;
    *request_context = NULL;
    chttpshim_body_drop(exchange);
    chttpshim_connection_rest(&server->connections, exchange->peer);
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

static void log_message(void *context, const char *format, va_list arguments)
{
    chttpshim_server *server = context;
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    server->options.log(server->options.context, message);
    chttpshim_refused_answer(server, message);
}

// Called with the whole target, before libmicrohttpd changes it.
static void *begin_request(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    chttpshim_connection *peer = chttpshim_connection_of(connection);
    if (peer != NULL) chttpshim_connection_begin_request(peer, target);
    // The exchange is made when the headers are in.
    return NULL;
}

// Called with each name and value of the query, and with the target without the query.
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    chttpshim_connection *peer = chttpshim_connection_of(connection);
    if (peer == NULL || chttpshim_connection_target(peer)->text != text) return chttpshim_unescape(text);
    chttpshim_target_take_apart(chttpshim_connection_target(peer), text);
    return strlen(text);
}

// MARK: Life

chttpshim_server *chttpshim_server_start(const chttpshim_options *options)
{
    chttpshim_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->options = *options;
    chttpshim_connections_init(&server->connections, options);
    unsigned per_address = options->connections_per_address;
    bool is_secure = options->tls_priorities != NULL;
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)chttpshim_tls_select},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)options->tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    // libmicrohttpd wants the pool's option left out for a pool of one.
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (is_secure ? MHD_USE_TLS : 0), 0,
        NULL, NULL, access_handler, server, MHD_OPTION_EXTERNAL_LOGGER, log_message, server, MHD_OPTION_LISTEN_SOCKET,
        options->listen_socket, MHD_OPTION_NOTIFY_COMPLETED, request_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        chttpshim_connections_notify, &server->connections, MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_address + (per_address + 3) / 4, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, begin_request, NULL, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
        MHD_OPTION_ARRAY, is_secure ? secure : plain,
        options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, options->threads, MHD_OPTION_END);
    if (server->daemon == NULL) {
        chttpshim_connections_destroy(&server->connections);
        free(server);
        return NULL;
    }
    return server;
}

void chttpshim_server_drain(chttpshim_server *server)
{
    atomic_store(&server->draining, true);
    // A request whose client has gone would hold up the end.
    chttpshim_connections_end_late(&server->connections);
}

void chttpshim_server_end_late(chttpshim_server *server)
{
    chttpshim_connections_end_late(&server->connections);
}

void chttpshim_server_end_slow_answers(chttpshim_server *server, unsigned seconds)
{
    chttpshim_connections_end_slow_answers(&server->connections, seconds);
}

unsigned chttpshim_server_requests_in_flight(chttpshim_server *server)
{
    return atomic_load(&server->in_flight);
}

void chttpshim_server_stop(chttpshim_server *server)
{
    atomic_store(&server->refusing, true);
    struct timespec pause = {.tv_nsec = 1000 * 1000};
    while (atomic_load(&server->pending) > 0) nanosleep(&pause, NULL);
    MHD_stop_daemon(server->daemon);
    chttpshim_connections_destroy(&server->connections);
    free(server);
}

const char *chttpshim_library_version(void)
{
    return MHD_get_version();
}
