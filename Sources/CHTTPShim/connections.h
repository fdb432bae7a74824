// The open connections of a server: how many from one address, and until when each must have got on.
#ifndef CHTTPSHIM_CONNECTIONS_H
#define CHTTPSHIM_CONNECTIONS_H

#include "CHTTPShim.h"

#include <microhttpd.h>
#include <pthread.h>

typedef struct chttpshim_connections {
    pthread_mutex_t lock;
    struct chttpshim_connection *first;
    // A tree of counts by address (tsearch).
    void *by_address;
    // 0 is no limit.
    unsigned limit_per_address;
    unsigned idle_timeout_seconds;
} chttpshim_connections;

typedef struct chttpshim_connection chttpshim_connection;

void chttpshim_connections_init(chttpshim_connections *connections, const chttpshim_options *options);
/// Once no connection is left.
void chttpshim_connections_destroy(chttpshim_connections *connections);

/// For MHD_OPTION_NOTIFY_CONNECTION.
void chttpshim_connections_notify(
    void *context, struct MHD_Connection *connection, void **socket_context,
    enum MHD_ConnectionNotificationCode code);

/// What is known of a connection; NULL where there was no memory.
chttpshim_connection *chttpshim_connection_of(struct MHD_Connection *connection);

/// Whether its address had as many connections as may be when it came.
bool chttpshim_connection_is_beyond_limit(const chttpshim_connection *connection);

/// Whether its client was let in by certificates that are not those in force any more.
bool chttpshim_connection_is_outdated(const chttpshim_connection *connection);

/// A body begins, whose length shows as it comes.
void chttpshim_connection_expect(chttpshim_connection *connection);
/// An answer of so many bytes begins.
void chttpshim_connection_answer(chttpshim_connection *connection, uint64_t bytes);
/// So many bytes came: each gives a little more time.
void chttpshim_connection_got(chttpshim_connection *connection, uint64_t bytes);
/// The exporter is at it: the peer has all the time of the world.
void chttpshim_connection_wait(chttpshim_connection *connection);
/// The request is over: the next may take its time to begin, as long as idle connections are kept.
void chttpshim_connection_rest(chttpshim_connections *connections, chttpshim_connection *connection);

/// Ends the connections that are late.
void chttpshim_connections_end_late(chttpshim_connections *connections);
/// Ends those that have been reading one answer for so long.
void chttpshim_connections_end_slow_answers(chttpshim_connections *connections, unsigned seconds);

#endif
