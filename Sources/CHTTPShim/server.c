// One libmicrohttpd daemon on one listening socket. See CHTTPShim.h for the rules.

#include "CHTTPShim.h"
#include "connections.h"
#include "framing.h"
#include "tls.h"

#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

_Static_assert(MHD_VERSION >= 0x00097300, "MHD_OPTION_LISTEN_SOCKET with a pool of epoll threads is tested from 0.9.73 on");

struct chttpshim_server {
    chttpshim_options options;
    struct MHD_Daemon *daemon;
    chttpshim_connections connections;
    // In bodies that are not handed over yet.
    atomic_size_t gathered_bytes;
    atomic_uint in_flight;
    // Handed to `handle` and not yet queued: a suspended connection at MHD_stop_daemon would abort the process.
    atomic_uint pending;
    atomic_bool draining;
    atomic_bool refusing;
};

// Orphaned: the peer went away before the answer, while nothing was suspended; who answers then frees the exchange.
enum answer_state { ANSWER_AWAITED, ANSWER_READY, ANSWER_AWAITED_SUSPENDED, ANSWER_ORPHANED };

struct chttpshim_exchange {
    chttpshim_server *server;
    struct MHD_Connection *connection;
    chttpshim_connection *peer;
    const char *method;
    const char *path;
    chttpshim_fault fault;
    bool is_handed_over;
    bool has_discarded;
    // Handed over and not settled, or not admitted yet.
    bool is_pending;
    bool awaits_admission;
    chttpshim_fault refusal;

    char *body;
    size_t body_length;
    size_t body_capacity;
    uint64_t declared_length;
    uint64_t received_length;
    struct timespec discarding_since;

    struct MHD_Response *response;
    size_t response_length;
    unsigned status;
    // The meeting points of the server thread, which suspends, and the answering thread, which resumes.
    _Atomic enum answer_state answer;
    _Atomic enum answer_state admission;
};

// How far a body over the limit is read before the connection closes, and for how long: long enough that a sender who
// writes before it reads sees the 413, short enough that nobody is held up.
enum { DISCARD_FACTOR = 4, DISCARD_SECONDS = 10 };

// How many bodies of the largest size may be on their way at once; what comes beyond is told to come again later. Without it
// each connection could hold a whole body in memory.
enum { GATHERED_BODIES = 8, GATHERED_BYTES_MIN = 64 * 1024 * 1024 };

// A buffer for a connection's headers and for one read of its body. libmicrohttpd clears it for each request: twice the size
// costs a small post another microsecond, and makes large bodies no cheaper.
enum { CONNECTION_MEMORY_BYTES = 32 * 1024, FIRST_BODY_BYTES = 4096 };

// MARK: Answers

// The handler's part is done, whether or not anybody is left to read the answer.
static void settle(chttpshim_exchange *exchange)
{
    if (exchange->response != NULL) MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    exchange->is_pending = false;
    atomic_fetch_sub(&exchange->server->pending, 1);
}

static enum MHD_Result queue_answer(chttpshim_exchange *exchange)
{
    chttpshim_connection_answer(exchange->peer, exchange->response_length);
    enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    settle(exchange);
    return result;
}

static enum MHD_Result suspend(chttpshim_exchange *exchange, _Atomic enum answer_state *awaited)
{
    MHD_suspend_connection(exchange->connection);
    enum answer_state before = ANSWER_AWAITED;
    if (!atomic_compare_exchange_strong(awaited, &before, ANSWER_AWAITED_SUSPENDED))
        MHD_resume_connection(exchange->connection);
    return MHD_YES;
}

static enum MHD_Result hand_over(chttpshim_exchange *exchange)
{
    chttpshim_server *server = exchange->server;
    exchange->is_handed_over = true;
    exchange->is_pending = true;
    chttpshim_connection_wait(exchange->peer);
    // Counted before the flag is read, and the flag is set before the count is read: one of the two sees the other.
    atomic_fetch_add(&server->pending, 1);
    if (atomic_load(&server->refusing)) exchange->fault = CHTTPSHIM_FAULT_STOPPING;
    server->options.handle(server->options.context, exchange);
    if (atomic_load(&exchange->answer) == ANSWER_READY) return queue_answer(exchange);
    // libmicrohttpd calls again in the next turn of its loop, when this thread has read what else had arrived.
    return server->options.flush == NULL ? suspend(exchange, &exchange->answer) : MHD_YES;
}

// A later call for a request whose answer was not there at the first.
static enum MHD_Result await(chttpshim_exchange *exchange)
{
    chttpshim_server *server = exchange->server;
    if (server->options.flush != NULL && atomic_load(&exchange->answer) != ANSWER_READY)
        server->options.flush(server->options.context);
    if (atomic_load(&exchange->answer) == ANSWER_READY) return queue_answer(exchange);
    return suspend(exchange, &exchange->answer);
}

static void finish(chttpshim_exchange *exchange, unsigned status, struct MHD_Response *response)
{
    exchange->response = response;
    exchange->status = status;
    struct MHD_Connection *connection = exchange->connection;
    // From the exchange on, unless it was suspended or orphaned, the server thread may free `exchange`.
    switch (atomic_exchange(&exchange->answer, ANSWER_READY)) {
    case ANSWER_AWAITED_SUSPENDED: MHD_resume_connection(connection); break;
    case ANSWER_ORPHANED:
        settle(exchange);
        free(exchange);
        break;
    default: break;
    }
}

// `response` NULL: a failed allocation. libmicrohttpd then closes the connection, which tells the sender that the outcome is
// unknown.
static void respond(
    chttpshim_exchange *exchange, unsigned status, const chttpshim_header *headers, size_t header_count,
    struct MHD_Response *response, bool closes)
{
    if (response != NULL) {
        for (size_t index = 0; index < header_count; index++)
            MHD_add_response_header(response, headers[index].name, headers[index].value);
        if (closes || atomic_load(&exchange->server->draining))
            MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    finish(exchange, status, response);
}

void chttpshim_exchange_respond(
    chttpshim_exchange *exchange, unsigned status, const chttpshim_header *headers, size_t header_count, void *body,
    size_t body_length, bool closes)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(body_length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) free(body);
    exchange->response_length = body_length;
    respond(exchange, status, headers, header_count, response, closes);
}

void chttpshim_exchange_respond_shared(
    chttpshim_exchange *exchange, unsigned status, const chttpshim_header *headers, size_t header_count, const void *body,
    size_t body_length, void (*release)(void *owner), void *owner, bool closes)
{
    // The library reads it only; its parameter lacks the const.
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(body_length, (void *)body, release, owner);
    if (response == NULL) release(owner);
    exchange->response_length = body_length;
    respond(exchange, status, headers, header_count, response, closes);
}

void chttpshim_exchange_abandon(chttpshim_exchange *exchange)
{
    // Without a response libmicrohttpd closes the connection.
    finish(exchange, 0, NULL);
}

// MARK: Requests

static chttpshim_exchange *new_exchange(
    chttpshim_server *server, struct MHD_Connection *connection, const char *method, const char *path)
{
    chttpshim_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) return NULL;
    exchange->server = server;
    exchange->connection = connection;
    exchange->peer = chttpshim_connection_of(connection);
    exchange->method = method;
    exchange->path = path;
    atomic_init(&exchange->answer, ANSWER_AWAITED);
    atomic_init(&exchange->admission, ANSWER_AWAITED);
    atomic_fetch_add(&server->in_flight, 1);
    return exchange;
}

static void drop_body(chttpshim_exchange *exchange)
{
    atomic_fetch_sub(&exchange->server->gathered_bytes, exchange->body_length);
    free(exchange->body);
    exchange->body = NULL;
    exchange->body_length = 0;
}

static void start_discarding(chttpshim_exchange *exchange, chttpshim_fault fault)
{
    exchange->fault = fault;
    exchange->has_discarded = true;
    drop_body(exchange);
    clock_gettime(CLOCK_MONOTONIC, &exchange->discarding_since);
    // A sender who stalls makes no calls here, so the connection's own timer must end it.
    MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)DISCARD_SECONDS);
}

static bool may_go_on_discarding(const chttpshim_exchange *exchange)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return exchange->received_length <= (uint64_t)exchange->server->options.body_limit_bytes * DISCARD_FACTOR
        && now.tv_sec - exchange->discarding_since.tv_sec <= DISCARD_SECONDS;
}

// A refusal that a client reads for certain: what is left unread when a connection closes makes its system throw the
// answer away. What is small is read, and thrown away; who sends more, or waits for permission, is told at once.
enum { REFUSED_BYTES = 1024 * 1024 };

static enum MHD_Result begin_body(chttpshim_exchange *exchange)
{
    chttpshim_connection_expect(exchange->peer);
    uint64_t limit = exchange->server->options.body_limit_bytes;
    const char *length = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    // libmicrohttpd has refused a length that is not a number.
    exchange->declared_length = length == NULL ? 0 : strtoull(length, NULL, 10);
    bool is_refused = exchange->refusal != CHTTPSHIM_FAULT_NONE;
    if (!is_refused && exchange->fault != CHTTPSHIM_FAULT_NONE) return hand_over(exchange);
    // Never beside a length: that is a fault.
    bool is_chunked = exchange->declared_length == 0
        && MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
    // The question costs a small post more than its memory is worth.
    bool is_large = exchange->declared_length > FIRST_BODY_BYTES || is_chunked;
    const chttpshim_options *options = &exchange->server->options;
    bool is_unread = !is_refused && is_large && !options->reads_body(options->context, exchange);
    if (!is_refused && !is_unread && exchange->declared_length <= limit) return MHD_YES;

    const char *expect = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Expect");
    chttpshim_fault unread = is_unread ? CHTTPSHIM_FAULT_UNREAD_BODY : CHTTPSHIM_FAULT_BODY_TOO_LARGE;
    start_discarding(exchange, is_refused ? exchange->refusal : unread);
    bool waits_for_permission = expect != NULL && strcasecmp(expect, "100-continue") == 0;
    // Who would be cut off anyway is told at once, too.
    uint64_t discarded = is_refused || is_unread ? REFUSED_BYTES : limit * DISCARD_FACTOR;
    if (waits_for_permission || exchange->declared_length > discarded || (is_refused && is_chunked))
        return hand_over(exchange);
    return MHD_YES;
}

// Goes on once `admit` has decided.
static enum MHD_Result admitted(chttpshim_exchange *exchange)
{
    exchange->awaits_admission = false;
    exchange->is_pending = false;
    atomic_fetch_sub(&exchange->server->pending, 1);
    return begin_body(exchange);
}

static enum MHD_Result ask_admission(chttpshim_exchange *exchange)
{
    chttpshim_server *server = exchange->server;
    exchange->awaits_admission = true;
    exchange->is_pending = true;
    chttpshim_connection_wait(exchange->peer);
    // Counted before the flag is read, as in `hand_over`.
    atomic_fetch_add(&server->pending, 1);
    if (atomic_load(&server->refusing)) {
        exchange->refusal = CHTTPSHIM_FAULT_STOPPING;
        return admitted(exchange);
    }
    server->options.admit(server->options.context, exchange);
    if (atomic_load(&exchange->admission) == ANSWER_READY) return admitted(exchange);
    return suspend(exchange, &exchange->admission);
}

void chttpshim_exchange_admit(chttpshim_exchange *exchange, chttpshim_fault fault)
{
    exchange->refusal = fault;
    struct MHD_Connection *connection = exchange->connection;
    // From the exchange on, unless it was suspended, the server thread may free `exchange`.
    if (atomic_exchange(&exchange->admission, ANSWER_READY) == ANSWER_AWAITED_SUSPENDED) MHD_resume_connection(connection);
}

static enum MHD_Result begin_request(chttpshim_exchange *exchange, const char *version)
{
    exchange->fault = chttpshim_framing_fault(exchange->connection, version);
    if (exchange->fault == CHTTPSHIM_FAULT_NONE && atomic_load(&exchange->server->draining))
        exchange->fault = CHTTPSHIM_FAULT_DRAINING;
    if (exchange->fault == CHTTPSHIM_FAULT_NONE && chttpshim_connection_is_beyond_limit(exchange->peer))
        exchange->fault = CHTTPSHIM_FAULT_TOO_MANY_CONNECTIONS;
    if (exchange->server->options.tls_priorities != NULL && chttpshim_connection_is_outdated(exchange->peer))
        exchange->fault = CHTTPSHIM_FAULT_OUTDATED;
    // A last scrape while draining needs admission as well.
    bool is_lost = exchange->fault != CHTTPSHIM_FAULT_NONE && exchange->fault != CHTTPSHIM_FAULT_DRAINING;
    if (exchange->server->options.admit != NULL && !is_lost) return ask_admission(exchange);
    if (exchange->fault != CHTTPSHIM_FAULT_NONE) return hand_over(exchange);
    return begin_body(exchange);
}

static bool grow_body(chttpshim_exchange *exchange, size_t added)
{
    size_t needed = exchange->body_length + added;
    if (needed <= exchange->body_capacity) return true;
    size_t capacity = exchange->body_capacity * 2;
    if (capacity < FIRST_BODY_BYTES) capacity = FIRST_BODY_BYTES;
    // A declared length is at most the limit here. Pages that are never written take no memory.
    if (exchange->declared_length >= needed) capacity = exchange->declared_length;
    if (capacity < needed) capacity = needed;
    char *body = realloc(exchange->body, capacity + exchange->server->options.body_padding_bytes);
    if (body == NULL) return false;
    exchange->body = body;
    exchange->body_capacity = capacity;
    return true;
}

// Takes `added` bytes of the budget and makes room for them behind the body.
static bool reserve_body(chttpshim_exchange *exchange, size_t added)
{
    chttpshim_server *server = exchange->server;
    size_t budget = server->options.body_limit_bytes * GATHERED_BODIES;
    // A small limit must not make many small posts at once look like too much.
    if (budget < GATHERED_BYTES_MIN) budget = GATHERED_BYTES_MIN;
    if (atomic_fetch_add(&server->gathered_bytes, added) + added > budget || !grow_body(exchange, added)) {
        atomic_fetch_sub(&server->gathered_bytes, added);
        return false;
    }
    return true;
}

static enum MHD_Result gather(chttpshim_exchange *exchange, const char *chunk, size_t *length)
{
    size_t added = *length;
    *length = 0;
    // An answer is queued already: what still comes is thrown away.
    if (exchange->is_handed_over) return MHD_YES;
    exchange->received_length += added;
    if (exchange->fault == CHTTPSHIM_FAULT_NONE) {
        if (exchange->received_length > exchange->server->options.body_limit_bytes) {
            start_discarding(exchange, CHTTPSHIM_FAULT_BODY_TOO_LARGE);
        } else if (reserve_body(exchange, added)) {
            chttpshim_connection_got(exchange->peer, added);
            memcpy(exchange->body + exchange->body_length, chunk, added);
            exchange->body_length += added;
        } else {
            start_discarding(exchange, CHTTPSHIM_FAULT_OUT_OF_MEMORY);
        }
    }
    if (exchange->fault != CHTTPSHIM_FAULT_NONE && !may_go_on_discarding(exchange)) return MHD_NO;
    return MHD_YES;
}

static enum MHD_Result access_handler(
    void *context, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload_data, size_t *upload_data_size, void **request_context)
{
    chttpshim_server *server = context;
    chttpshim_exchange *exchange = *request_context;
    if (exchange == NULL) {
        exchange = new_exchange(server, connection, method, url);
        if (exchange == NULL) return MHD_NO;
        *request_context = exchange;
        return begin_request(exchange, version);
    }
    // Resumed, and called for the headers once more.
    if (exchange->awaits_admission) return admitted(exchange);
    if (*upload_data_size > 0) return gather(exchange, upload_data, upload_data_size);
    if (!exchange->is_handed_over) return hand_over(exchange);
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
    drop_body(exchange);
    chttpshim_connection_rest(&server->connections, exchange->peer);
    if (exchange->has_discarded)
        MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, server->options.idle_timeout_seconds);
    // A peer that went away while its answer was made: libmicrohttpd does not ask for that answer any more, and whoever makes it
    // still has the exchange.
    enum answer_state before = ANSWER_AWAITED;
    bool is_orphaned = exchange->is_pending && exchange->is_handed_over
        && atomic_compare_exchange_strong(&exchange->answer, &before, ANSWER_ORPHANED);
    if (!is_orphaned) {
        if (exchange->is_pending) settle(exchange);
        free(exchange);
    }
    atomic_fetch_sub(&server->in_flight, 1);
}

static void log_message(void *context, const char *format, va_list arguments)
{
    chttpshim_server *server = context;
    char message[512];
    vsnprintf(message, sizeof message, format, arguments);
    server->options.log(server->options.context, message);
}

// A path is a C string to libmicrohttpd: with a zero inside, "/%00anything" would be "/". It leads nowhere instead.
static size_t unescape(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    size_t length = MHD_http_unescape(text);
    if (memchr(text, '\0', length) == NULL) return length;
    text[0] = '\0';
    return 0;
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
    // A pool of one is no pool to libmicrohttpd, which then wants the option left out.
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (is_secure ? MHD_USE_TLS : 0), 0,
        NULL, NULL, access_handler, server, MHD_OPTION_EXTERNAL_LOGGER, log_message, server, MHD_OPTION_LISTEN_SOCKET,
        options->listen_socket, MHD_OPTION_NOTIFY_COMPLETED, request_completed, server, MHD_OPTION_NOTIFY_CONNECTION,
        chttpshim_connections_notify, &server->connections, MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, per_address + (per_address + 3) / 4, MHD_OPTION_CONNECTION_TIMEOUT,
        options->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_ARRAY,
        is_secure ? secure : plain, options->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, options->threads,
        MHD_OPTION_END);
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

// MARK: What a request says

const char *chttpshim_exchange_method(const chttpshim_exchange *exchange)
{
    return exchange->method;
}

const char *chttpshim_exchange_path(const chttpshim_exchange *exchange)
{
    return exchange->path;
}

chttpshim_fault chttpshim_exchange_fault(const chttpshim_exchange *exchange)
{
    return exchange->fault;
}

const char *chttpshim_exchange_header(chttpshim_exchange *exchange, const char *name)
{
    return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

const char *chttpshim_exchange_query(chttpshim_exchange *exchange, const char *name, size_t *length)
{
    const char *value = NULL;
    if (MHD_lookup_connection_value_n(
            exchange->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, length) != MHD_YES)
        return NULL;
    return value;
}

unsigned chttpshim_exchange_query_count(chttpshim_exchange *exchange)
{
    return (unsigned)MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL);
}

void *chttpshim_exchange_take_body(chttpshim_exchange *exchange, size_t *length)
{
    void *body = exchange->body;
    *length = exchange->body_length;
    atomic_fetch_sub(&exchange->server->gathered_bytes, exchange->body_length);
    exchange->body = NULL;
    exchange->body_length = 0;
    return body;
}

const char *chttpshim_library_version(void)
{
    return MHD_get_version();
}
