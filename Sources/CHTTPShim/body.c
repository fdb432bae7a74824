// Bodies: gathered within limits, or read and discarded so that the client sees the answer.

#include "exchange.h"

#include <stdlib.h>
#include <strings.h>

// How far a body over the limit is read before the connection closes, and for how long: far enough that a sender that
// writes before it reads sees the 413, short enough that it holds up nothing.
enum { DISCARD_FACTOR = 4, DISCARD_SECONDS = 10 };

// Unread bytes at close make the kernel send RST, and the client loses the answer. So a small refused body is read and
// discarded. A client that sends more, or waits for permission, is answered at once.
enum { REFUSED_BYTES = 1024 * 1024 };

static void start_discarding(chttpshim_exchange *exchange, chttpshim_fault fault)
{
    exchange->fault = fault;
    exchange->is_discarding = true;
    exchange->has_discarded = true;
    chttpshim_body_clear(&exchange->body);
    clock_gettime(CLOCK_MONOTONIC, &exchange->discarding_since);
    // A sender that stalls makes no calls here, so the connection's own timer must end it.
    MHD_set_connection_option(exchange->connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)DISCARD_SECONDS);
}

static bool may_go_on_discarding(const chttpshim_exchange *exchange)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return exchange->received_length <= (uint64_t)exchange->server->options.body_limit_bytes * DISCARD_FACTOR
        && now.tv_sec - exchange->discarding_since.tv_sec <= DISCARD_SECONDS;
}

enum MHD_Result chttpshim_exchange_begin_body(chttpshim_exchange *exchange)
{
    // The length of a body that contradicts itself cannot be trusted, and a connection that closes reads no more.
    if (exchange->is_refused && exchange->closes) return chttpshim_exchange_hand_over(exchange);
    chttpshim_connection_expect(exchange->peer);
    const char *length = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Content-Length");
    // libmicrohttpd has refused a length that is not a number.
    exchange->declared_length = length == NULL ? 0 : strtoull(length, NULL, 10);
    // Never beside a length: that is a fault.
    bool is_chunked = exchange->declared_length == 0
        && MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Transfer-Encoding") != NULL;
    uint64_t limit = exchange->server->options.body_limit_bytes;
    bool is_unread = exchange->is_refused || exchange->opening == CHTTPSHIM_DISCARD_BODY;
    bool is_too_large = exchange->declared_length > limit && !exchange->is_refused;
    bool has_body = exchange->declared_length > 0 || is_chunked;
    if (!has_body || (!is_unread && !is_too_large)) return MHD_YES;

    start_discarding(exchange, is_too_large ? CHTTPSHIM_FAULT_BODY_TOO_LARGE : CHTTPSHIM_FAULT_NONE);
    const char *expect = MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, "Expect");
    bool waits_for_permission = expect != NULL && strcasecmp(expect, "100-continue") == 0;
    // A sender that would be cut off anyway is answered at once, too.
    uint64_t discarded = is_too_large ? limit * DISCARD_FACTOR : REFUSED_BYTES;
    if (waits_for_permission || exchange->declared_length > discarded || (exchange->is_refused && is_chunked))
        return chttpshim_exchange_hand_over(exchange);
    return MHD_YES;
}

enum MHD_Result chttpshim_exchange_gather(chttpshim_exchange *exchange, const char *chunk, size_t *length)
{
    size_t added = *length;
    *length = 0;
    // More may wait in the socket. If no connection is parked, libmicrohttpd says so.
    if (exchange->loop->parked > 0) exchange->loop->must_run_again = true;
    // If an answer is queued already, what still arrives is discarded.
    if (exchange->is_handed_over) return MHD_YES;
    exchange->received_length += added;
    bool is_too_large = exchange->received_length > exchange->server->options.body_limit_bytes;
    if (is_too_large && !exchange->is_refused) {
        if (exchange->is_discarding) exchange->fault = CHTTPSHIM_FAULT_BODY_TOO_LARGE;
        else start_discarding(exchange, CHTTPSHIM_FAULT_BODY_TOO_LARGE);
    } else if (!exchange->is_discarding) {
        const chttpshim_options *options = &exchange->server->options;
        if (chttpshim_body_append(
                &exchange->body, chunk, added, exchange->declared_length, options->body_padding_bytes,
                exchange->loop->now))
            chttpshim_connection_got(exchange->peer, added);
        else start_discarding(exchange, CHTTPSHIM_FAULT_OUT_OF_MEMORY);
    }
    if (exchange->is_discarding && !may_go_on_discarding(exchange)) return MHD_NO;
    return MHD_YES;
}
