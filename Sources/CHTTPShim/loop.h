// The event loop of one server thread.
//
// libmicrohttpd's own threads need a connection suspended while its answer is made, which costs two epoll_ctl calls, an
// eventfd write and a second read for each durable post. A loop of our own leaves connections that wait for a commit
// where they are, parked: their access handler is called again in each turn, and the thread that decides them wakes
// the loop.
#ifndef CHTTPSHIM_LOOP_H
#define CHTTPSHIM_LOOP_H

#include "CHTTPShim.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

typedef struct chttpshim_loop {
    chttpshim_server *server;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    int epoll_descriptor;
    // An eventfd; readable if another thread has something for the loop.
    int wake_descriptor;
    atomic_bool is_woken;
    // Threads within a decision about an exchange of this loop: a stop waits for them, as they may still wake it.
    atomic_uint deciding;

    // Used by the loop's own thread only.
    // Connections whose access handler is called in each turn, until they are answered or suspended.
    unsigned parked;
    // Connections that begin or end, chunks of bodies and answers leave libmicrohttpd with work that no event
    // announces.
    bool must_run_again;
    bool has_left;
    // In milliseconds of the monotonic clock, read once a turn.
    int64_t now;
    int64_t next_look;
    // Connections that were answered a moment ago and have sent no other request yet, the longest ago first.
    struct chttpshim_connection *first_answered;
    struct chttpshim_connection *last_answered;
} chttpshim_loop;

/// Connections wait parked for this long, in milliseconds; then they are suspended. While some are parked,
/// libmicrohttpd cannot say whether others need another turn at once: what `must_run_again` does not cover is late by
/// this much at most.
enum { CHTTPSHIM_PARK_MILLISECONDS = 20 };

/// Starts libmicrohttpd on a duplicate of the server's socket; false if it refuses. The thread is not started.
bool chttpshim_loop_open(chttpshim_loop *loop, chttpshim_server *server, unsigned connection_limit);
/// Begins to serve; false if the system gives no thread.
bool chttpshim_loop_begin(chttpshim_loop *loop);
/// Waits for the end of the loop's thread. The server must be stopping, and the loop woken.
void chttpshim_loop_join(chttpshim_loop *loop);
/// Ends all connections. Without a thread only.
void chttpshim_loop_close(chttpshim_loop *loop);

/// Some connection is busy: late connections are looked for every second. On the loop's thread.
void chttpshim_loop_look_soon(chttpshim_loop *loop);

/// Makes the loop take another turn at once. From any thread.
void chttpshim_loop_wake(chttpshim_loop *loop);

/// A decision about an exchange of the loop begins and ends. The loop outlives it.
void chttpshim_loop_begin_decision(chttpshim_loop *loop);
/// `wakes`: the loop must take another turn.
void chttpshim_loop_end_decision(chttpshim_loop *loop, bool wakes);

/// Milliseconds of the monotonic clock.
int64_t chttpshim_now(void);

#endif
