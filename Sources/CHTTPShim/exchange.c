// Answers, and what a request says. See CHTTPShim.h for the rules.

#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

chttpshim_exchange *chttpshim_exchange_create(
    chttpshim_loop *loop, struct MHD_Connection *connection, const char *method, const char *path)
{
    chttpshim_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) return NULL;
    exchange->server = loop->server;
    exchange->loop = loop;
    exchange->connection = connection;
    exchange->peer = chttpshim_connection_of(connection);
    exchange->address = chttpshim_connection_address(exchange->peer);
    exchange->body.memory = loop->server->memory;
    exchange->body.client_number = chttpshim_connection_client(exchange->peer);
    exchange->method = method;
    exchange->path = path;
    atomic_init(&exchange->opening_decision, CHTTPSHIM_AWAITED);
    atomic_init(&exchange->answer_decision, CHTTPSHIM_AWAITED);
    atomic_fetch_add(&exchange->server->in_flight, 1);
    return exchange;
}

// MARK: Decisions

bool chttpshim_exchange_begin_pending(chttpshim_exchange *exchange)
{
    exchange->is_pending = true;
    chttpshim_connection_wait(exchange->peer);
    atomic_fetch_add(&exchange->server->pending, 1);
    return !atomic_load(&exchange->server->refusing);
}

void chttpshim_exchange_end_pending(chttpshim_exchange *exchange)
{
    if (!exchange->is_pending) return;
    exchange->is_pending = false;
    atomic_fetch_sub(&exchange->server->pending, 1);
}

void chttpshim_exchange_park(chttpshim_exchange *exchange, int64_t milliseconds)
{
    exchange->is_parked = true;
    exchange->parked_until = exchange->loop->now + milliseconds;
    exchange->loop->parked++;
}

void chttpshim_exchange_unpark(chttpshim_exchange *exchange)
{
    if (!exchange->is_parked) return;
    exchange->is_parked = false;
    exchange->loop->parked--;
}

enum MHD_Result chttpshim_exchange_suspend(chttpshim_exchange *exchange, _Atomic enum chttpshim_decision *awaited)
{
    MHD_suspend_connection(exchange->connection);
    enum chttpshim_decision before = CHTTPSHIM_AWAITED;
    if (!atomic_compare_exchange_strong(awaited, &before, CHTTPSHIM_AWAITED_SUSPENDED)) {
        MHD_resume_connection(exchange->connection);
        exchange->loop->must_run_again = true;
    }
    return MHD_YES;
}

void chttpshim_exchange_free(chttpshim_exchange *exchange)
{
    if (exchange->response != NULL) MHD_destroy_response(exchange->response);
    if (exchange->owner != NULL) exchange->server->options.drop(exchange->owner);
    chttpshim_exchange_end_pending(exchange);
    free(exchange);
}

static void decide(chttpshim_exchange *exchange, _Atomic enum chttpshim_decision *awaited)
{
    struct MHD_Connection *connection = exchange->connection;
    chttpshim_loop *loop = exchange->loop;
    bool wakes = true;
    chttpshim_loop_begin_decision(loop);
    // From this exchange on, unless the connection was suspended or the exchange orphaned, the loop's thread may free
    // `exchange`.
    switch (atomic_exchange(awaited, CHTTPSHIM_DECIDED)) {
    case CHTTPSHIM_AWAITED_SUSPENDED: MHD_resume_connection(connection); break;
    case CHTTPSHIM_ORPHANED:
        chttpshim_exchange_free(exchange);
        wakes = false;
        break;
    default: break;
    }
    // Also if it is resumed: libmicrohttpd may have cleared its own signal before it saw that.
    chttpshim_loop_end_decision(loop, wakes);
}

void chttpshim_exchange_proceed(chttpshim_exchange *exchange, chttpshim_opening opening, uint64_t client, void *owner)
{
    exchange->opening = opening;
    if (client != 0) exchange->body.client_number = client;
    exchange->owner = owner;
    decide(exchange, &exchange->opening_decision);
}

void *chttpshim_exchange_take_owner(chttpshim_exchange *exchange)
{
    void *owner = exchange->owner;
    exchange->owner = NULL;
    return owner;
}

// MARK: Answers

enum MHD_Result chttpshim_exchange_queue_answer(chttpshim_exchange *exchange)
{
    chttpshim_exchange_unpark(exchange);
    // It is sent in the next turn.
    exchange->loop->must_run_again = true;
    chttpshim_connection_answer(exchange->peer, exchange->response_length);
    // Without a response libmicrohttpd refuses the call and closes the connection.
    enum MHD_Result result = MHD_queue_response(exchange->connection, exchange->status, exchange->response);
    if (exchange->response != NULL) MHD_destroy_response(exchange->response);
    exchange->response = NULL;
    chttpshim_exchange_end_pending(exchange);
    return result;
}

chttpshim_response *chttpshim_response_create(void *body, size_t length)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(length, body, MHD_RESPMEM_MUST_FREE);
    if (response == NULL) free(body);
    return (chttpshim_response *)response;
}

chttpshim_response *chttpshim_response_create_shared(
    const void *body, size_t length, void (*release)(void *owner), void *owner)
{
    // The library only reads the body; its parameter lacks the const.
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(length, (void *)body, release, owner);
    if (response == NULL) release(owner);
    return (chttpshim_response *)response;
}

void chttpshim_response_add_header(chttpshim_response *response, const char *name, const char *value)
{
    if (response != NULL) MHD_add_response_header((struct MHD_Response *)response, name, value);
}

void chttpshim_exchange_respond(
    chttpshim_exchange *exchange, unsigned status, chttpshim_response *response, const void *body, size_t length,
    bool closes)
{
    if (closes || atomic_load(&exchange->server->draining))
        chttpshim_response_add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    exchange->response = (struct MHD_Response *)response;
    exchange->response_body = body;
    exchange->response_length = length;
    exchange->status = status;
    exchange->closes = closes;
    if (!exchange->is_handed_over) {
        exchange->is_refused = true;
        decide(exchange, &exchange->opening_decision);
        return;
    }
    decide(exchange, &exchange->answer_decision);
}

// MARK: Reading a request

const char *chttpshim_exchange_method(const chttpshim_exchange *exchange)
{
    return exchange->method;
}

const char *chttpshim_exchange_path(const chttpshim_exchange *exchange)
{
    return exchange->path;
}

void chttpshim_exchange_peer(const chttpshim_exchange *exchange, bool as_network, char *buffer, size_t capacity)
{
    chttpshim_address_write(&exchange->address, as_network, buffer, capacity);
}

chttpshim_fault chttpshim_exchange_fault(const chttpshim_exchange *exchange)
{
    return exchange->fault;
}

const char *chttpshim_exchange_repeated_header(const chttpshim_exchange *exchange)
{
    return exchange->repeated_header;
}

typedef struct {
    const char *name;
    size_t name_length;
    // Lines of this name to skip.
    unsigned before;
    const char *value;
} wanted_line;

static enum MHD_Result find_line(
    void *context, enum MHD_ValueKind kind, const char *name, size_t name_length, const char *value, size_t length)
{
    (void)kind;
    (void)length;
    wanted_line *wanted = context;
    if (name_length != wanted->name_length || strcasecmp(name, wanted->name) != 0) return MHD_YES;
    if (wanted->before-- > 0) return MHD_YES;
    wanted->value = value;
    return MHD_NO;
}

const char *chttpshim_exchange_header(chttpshim_exchange *exchange, const char *name, unsigned index)
{
    const char *authority = chttpshim_connection_target(exchange->peer)->authority;
    if (authority != NULL && strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0) return index == 0 ? authority : NULL;
    wanted_line wanted = {.name = name, .name_length = strlen(name), .before = index};
    MHD_get_connection_values_n(exchange->connection, MHD_HEADER_KIND, find_line, &wanted);
    return wanted.value;
}

const char *chttpshim_exchange_query(chttpshim_exchange *exchange, const char *name, size_t *length)
{
    const char *value = NULL;
    if (MHD_lookup_connection_value_n(exchange->connection, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, length)
        != MHD_YES)
        return NULL;
    return value;
}

unsigned chttpshim_exchange_query_count(chttpshim_exchange *exchange)
{
    return (unsigned)MHD_get_connection_values(exchange->connection, MHD_GET_ARGUMENT_KIND, NULL, NULL);
}

uint64_t chttpshim_exchange_client(const chttpshim_exchange *exchange)
{
    return exchange->body.client_number;
}

void *chttpshim_exchange_take_body(
    chttpshim_exchange *exchange, size_t *length, size_t *mapped_length, chttpshim_share **share)
{
    return chttpshim_body_take(&exchange->body, length, mapped_length, share);
}

chttpshim_share *chttpshim_exchange_share(chttpshim_exchange *exchange)
{
    return chttpshim_memory_share(exchange->body.memory, exchange->body.client_number);
}
