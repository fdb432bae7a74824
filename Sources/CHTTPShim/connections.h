// The open connections of a server: how many from one address, and until when each must have got on.
#ifndef CHTTPSHIM_CONNECTIONS_H
#define CHTTPSHIM_CONNECTIONS_H

#include "CHTTPShim.h"

#include <microhttpd.h>
#include <pthread.h>

typedef struct llmhttp_connections {
    pthread_mutex_t lock;
    struct llmhttp_connection *first;
    // A tree of counts by address (tsearch).
    void *by_address;
    // 0 is no limit.
    unsigned limit_per_address;
    unsigned idle_timeout_seconds;
} llmhttp_connections;

typedef struct llmhttp_connection llmhttp_connection;

void llmhttp_connections_init(llmhttp_connections *connections, const llmhttp_options *options);
/// Once no connection is left.
void llmhttp_connections_destroy(llmhttp_connections *connections);

/// For MHD_OPTION_NOTIFY_CONNECTION.
void llmhttp_connections_notify(
    void *context, struct MHD_Connection *connection, void **socket_context,
    enum MHD_ConnectionNotificationCode code);

/// What is known of a connection; NULL where there was no memory.
llmhttp_connection *llmhttp_connection_of(struct MHD_Connection *connection);

/// Whether its address had as many connections as may be when it came.
bool llmhttp_connection_is_beyond_limit(const llmhttp_connection *connection);

/// Whether its client was let in by certificates that are not those in force any more.
bool llmhttp_connection_is_outdated(const llmhttp_connection *connection);

/// A body begins, whose length shows as it comes.
void llmhttp_connection_expect(llmhttp_connection *connection);
/// An answer of so many bytes begins.
void llmhttp_connection_answer(llmhttp_connection *connection, uint64_t bytes);
/// So many bytes came: each gives a little more time.
void llmhttp_connection_got(llmhttp_connection *connection, uint64_t bytes);
/// The exporter is at it: the peer has all the time of the world.
void llmhttp_connection_wait(llmhttp_connection *connection);
/// The request is over: the next may take its time to begin, as long as idle connections are kept.
void llmhttp_connection_rest(llmhttp_connections *connections, llmhttp_connection *connection);

/// Ends the connections that are late.
void llmhttp_connections_end_late(llmhttp_connections *connections);
/// Ends those that have been reading one answer for so long.
void llmhttp_connections_end_slow_answers(llmhttp_connections *connections, unsigned seconds);

#endif
