// The open connections of a server: how many from one address, and each one's deadline and request target.
#ifndef CHTTPSHIM_CONNECTIONS_H
#define CHTTPSHIM_CONNECTIONS_H

#include "CHTTPShim.h"
#include "target.h"

#include <microhttpd.h>
#include <pthread.h>

typedef struct chttpshim_connections {
    pthread_mutex_t lock;
    struct chttpshim_connection *first;
    // A tree of counts by address (tsearch).
    void *by_address;
    // 0 is no limit.
    unsigned limit_per_address;
} chttpshim_connections;

struct chttpshim_loop;

typedef struct chttpshim_connection chttpshim_connection;

/// An address of IPv6, or one of IPv4 in its form; all zeros if it is of neither.
typedef struct {
    unsigned char bytes[16];
} chttpshim_address;

/// Writes `192.0.2.1` or `2001:db8::1`; as a network an IPv6 address becomes its /64 prefix, `2001:db8::/64`.
void chttpshim_address_write(const chttpshim_address *address, bool as_network, char *buffer, size_t capacity);

void chttpshim_connections_init(chttpshim_connections *connections, const chttpshim_options *options);
/// Must be called when no connection is left.
void chttpshim_connections_destroy(chttpshim_connections *connections);

/// Libmicrohttpd's policy for new connections. The context is the connections.
enum MHD_Result chttpshim_connections_admit(void *context, const struct sockaddr *from, socklen_t length);
/// For MHD_OPTION_NOTIFY_CONNECTION. The context is the loop.
void chttpshim_connections_notify(
    void *context, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code);

/// The shim's own record of a connection; NULL if there was no memory for it.
chttpshim_connection *chttpshim_connection_of(struct MHD_Connection *connection);

/// A number for the client's network, not 0; different networks seldom have the same.
uint64_t chttpshim_connection_client(const chttpshim_connection *connection);

/// The client's address.
chttpshim_address chttpshim_connection_address(const chttpshim_connection *connection);

/// A request line came; the request itself is not opened yet.
void chttpshim_connection_begin_request(chttpshim_connection *connection, const char *target);
/// The request is opened.
void chttpshim_connection_open_request(chttpshim_connection *connection);
chttpshim_target *chttpshim_connection_target(chttpshim_connection *connection);

/// The connection of the loop whose headers are in while its request is not opened, or NULL. There is never more than
/// one: libmicrohttpd opens a request as soon as its headers are in.
struct MHD_Connection *chttpshim_connections_find_unopened(
    chttpshim_connections *connections, const struct chttpshim_loop *loop);

/// Whether the client's address was already at its connection limit when the connection came.
bool chttpshim_connection_is_beyond_limit(const chttpshim_connection *connection);

/// Whether the client was admitted under an identity that is no longer in force.
bool chttpshim_connection_is_outdated(const chttpshim_connection *connection);

/// A body begins; its length is not known yet.
void chttpshim_connection_expect(chttpshim_connection *connection);
/// An answer of `bytes` bytes begins.
void chttpshim_connection_answer(chttpshim_connection *connection, uint64_t bytes);
/// Bytes of the body came: each gives a little more time.
void chttpshim_connection_got(chttpshim_connection *connection, uint64_t bytes);
/// No deadline while the exporter prepares the answer.
void chttpshim_connection_wait(chttpshim_connection *connection);
/// The request is over: the next one may begin as late as idle connections are kept.
void chttpshim_connection_rest(chttpshim_connection *connection);

/// Ends the loop's connections that are late, and those whose peer has gone before its request was whole. On the loop's
/// thread. False if it has none; `is_busy` becomes true if some are not between two requests.
bool chttpshim_connections_end_late(
    chttpshim_connections *connections, const struct chttpshim_loop *loop, bool *is_busy);
/// Ends the loop's connections that were answered a moment ago and whose peer will send no other request. On the loop's
/// thread.
void chttpshim_connections_check_answered(struct chttpshim_loop *loop);
/// When that is next to be done, in milliseconds of the monotonic clock. Only if the loop has such connections.
int64_t chttpshim_connections_next_check(const struct chttpshim_loop *loop);
/// Connections that have come a moment ago and have not sent a request line yet. From any thread.
unsigned chttpshim_connections_count_fresh(chttpshim_connections *connections);
/// Ends the connections that have been reading one answer for `seconds`. From any thread.
void chttpshim_connections_end_slow_answers(chttpshim_connections *connections, unsigned seconds);

#endif
