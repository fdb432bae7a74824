// Requests that libmicrohttpd refuses by itself once their headers are in: for a Content-Length that is no number or
// exceeds all integers, and for cookies that it cannot hold.
//
// Version 0.9.75 then sends the headers of its answer twice, and the second copy takes the place of the body. The
// message that it logs before is its only call to us. So the answer is written here, on the connection's own thread,
// and the writing side is shut down: what libmicrohttpd sends after it fails, and it closes the connection. If a later
// version logs nothing, its own answer stands.

#include "refused.h"
#include "framing.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static enum MHD_Result print_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    fprintf(context, "%s: %s\r\n", name, value);
    return MHD_YES;
}

// The bytes of the answer, from malloc; NULL if there is no memory.
static char *serialize(const chttpshim_exchange *exchange, size_t *length)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, length);
    if (stream == NULL) return NULL;
    char date[64];
    time_t now = time(NULL);
    struct tm parts;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &parts));
    fprintf(
        stream, "HTTP/1.1 %u %s\r\nDate: %s\r\n", exchange->status, MHD_get_reason_phrase_for(exchange->status), date);
    MHD_get_response_headers(exchange->response, print_header, stream);
    fprintf(stream, "Content-Length: %zu\r\n\r\n", exchange->response_length);
    fwrite(exchange->response_body, 1, exchange->response_length, stream);
    bool is_whole = ferror(stream) == 0;
    if (fclose(stream) == 0 && is_whole) return text;
    free(text);
    return NULL;
}

static void send_answer(const chttpshim_exchange *exchange, int descriptor)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    size_t length = 0;
    char *text = exchange->response == NULL ? NULL : serialize(exchange, &length);
    // An answer that does not fit into the socket's empty buffer is cut short by the end of the connection: to the
    // client its outcome is unknown.
    if (text != NULL && tls == NULL) send(descriptor, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (text != NULL && tls != NULL) {
        gnutls_record_send(tls->tls_session, text, length);
        gnutls_bye(tls->tls_session, GNUTLS_SHUT_WR);
    }
    free(text);
}

static chttpshim_fault fault_of(struct MHD_Connection *connection, const chttpshim_target *target)
{
    chttpshim_fault fault = chttpshim_framing_check(connection, NULL, NULL, target).fault;
    if (fault != CHTTPSHIM_FAULT_NONE) return fault;
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    errno = 0;
    if (length != NULL) strtoull(length, NULL, 10);
    return errno == ERANGE ? CHTTPSHIM_FAULT_BODY_TOO_LARGE : CHTTPSHIM_FAULT_HEADERS_TOO_LARGE;
}

void chttpshim_refused_answer(chttpshim_loop *loop, const char *message)
{
    chttpshim_server *server = loop->server;
    static const char refusal[] = "Error processing request";
    if (strncmp(message, refusal, sizeof refusal - 1) != 0) return;
    struct MHD_Connection *connection = chttpshim_connections_find_unopened(&server->connections, loop);
    if (connection == NULL) return;
    chttpshim_connection *peer = chttpshim_connection_of(connection);
    chttpshim_connection_open_request(peer);
    const chttpshim_target *target = chttpshim_connection_target(peer);
    // libmicrohttpd names the method only to the access handler.
    chttpshim_exchange *exchange = chttpshim_exchange_create(loop, connection, "", target->path);
    if (exchange == NULL) return;
    bool may_serve = chttpshim_exchange_begin_pending(exchange);
    exchange->fault = may_serve ? fault_of(connection, target) : CHTTPSHIM_FAULT_STOPPING;
    server->options.open(server->options.context, exchange);
    int descriptor = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    enum chttpshim_decision before = CHTTPSHIM_AWAITED;
    // An answer that comes later is of no use.
    if (!atomic_compare_exchange_strong(&exchange->opening_decision, &before, CHTTPSHIM_ORPHANED)) {
        chttpshim_response_add_header((chttpshim_response *)exchange->response, MHD_HTTP_HEADER_CONNECTION, "close");
        send_answer(exchange, descriptor);
        chttpshim_exchange_free(exchange);
    }
    shutdown(descriptor, SHUT_WR);
    atomic_fetch_sub(&server->in_flight, 1);
}
