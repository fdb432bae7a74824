// See loop.h.

#define _GNU_SOURCE  // pthread_setname_np

#include "loop.h"
#include "connections.h"
#include "exchange.h"
#include "tls.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

// A buffer for a connection's headers and for one read of its body. libmicrohttpd clears it for each request: twice the
// size costs a small post another microsecond, and makes large bodies no cheaper.
enum { CONNECTION_MEMORY_BYTES = 32 * 1024 };

// How often late connections are looked for: while the server drains, while some connections are not between two
// requests, and otherwise.
enum { DRAINING_LOOK_MILLISECONDS = 100, BUSY_LOOK_MILLISECONDS = 1000, IDLE_LOOK_MILLISECONDS = 10 * 1000 };

static _Thread_local chttpshim_loop *own_loop;

// The loops that a thread wakes when it has made all its decisions.
enum { HELD_WAKES_MAX = 64 };
static _Thread_local struct {
    unsigned depth;
    unsigned count;
    chttpshim_loop *loops[HELD_WAKES_MAX];
} held;

int64_t chttpshim_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// MARK: Waking

void chttpshim_loop_wake(chttpshim_loop *loop)
{
    if (loop == own_loop) {
        loop->must_run_again = true;
        return;
    }
    if (atomic_exchange(&loop->is_woken, true)) return;
    // Fails only if the counter is full: the descriptor is readable then, too.
    eventfd_write(loop->wake_descriptor, 1);
}

void chttpshim_loop_begin_decision(chttpshim_loop *loop)
{
    atomic_fetch_add(&loop->deciding, 1);
}

static bool is_held(const chttpshim_loop *loop)
{
    for (unsigned index = 0; index < held.count; index++)
        if (held.loops[index] == loop) return true;
    return false;
}

void chttpshim_loop_end_decision(chttpshim_loop *loop, bool wakes)
{
    if (wakes && held.depth > 0 && loop != own_loop && !is_held(loop) && held.count < HELD_WAKES_MAX) {
        // The decision ends with the wake.
        held.loops[held.count++] = loop;
        return;
    }
    if (wakes && !is_held(loop)) chttpshim_loop_wake(loop);
    atomic_fetch_sub(&loop->deciding, 1);
}

void chttpshim_hold_wakes(void)
{
    held.depth++;
}

void chttpshim_release_wakes(void)
{
    if (--held.depth > 0) return;
    for (unsigned index = 0; index < held.count; index++) {
        chttpshim_loop_wake(held.loops[index]);
        atomic_fetch_sub(&held.loops[index]->deciding, 1);
    }
    held.count = 0;
}

// MARK: Turns

static int shorter(int timeout, int64_t milliseconds)
{
    if (milliseconds < 0) milliseconds = 0;
    if (timeout >= 0 && timeout <= milliseconds) return timeout;
    return milliseconds < INT_MAX ? (int)milliseconds : INT_MAX;
}

// How long the loop may wait for an event, in milliseconds; -1 is without a limit.
static int patience(chttpshim_loop *loop)
{
    if (loop->must_run_again) return 0;
    int timeout = -1;
    MHD_UNSIGNED_LONG_LONG left;
    if (loop->parked > 0) timeout = CHTTPSHIM_PARK_MILLISECONDS;
    else if (MHD_get_timeout(loop->daemon, &left) == MHD_YES) timeout = left < INT_MAX ? (int)left : INT_MAX;
    if (loop->next_look != 0) timeout = shorter(timeout, loop->next_look - loop->now);
    if (loop->first_answered != NULL) timeout = shorter(timeout, chttpshim_connections_next_check(loop) - loop->now);
    return timeout;
}

static void await_event(chttpshim_loop *loop)
{
    int timeout = patience(loop);
    loop->must_run_again = false;
    // libmicrohttpd looks at its descriptors itself.
    if (timeout == 0) return;
    struct pollfd events[] = {
        {.fd = loop->epoll_descriptor, .events = POLLIN},
        {.fd = loop->wake_descriptor, .events = POLLIN},
    };
    poll(events, 2, timeout);
    if ((events[1].revents & POLLIN) == 0) return;
    eventfd_t count;
    eventfd_read(loop->wake_descriptor, &count);
    // Before the turn: what is decided from now on wakes the loop again.
    atomic_store(&loop->is_woken, false);
}

// Leaves new connections to the process that serves the socket next.
static void leave_socket(chttpshim_loop *loop)
{
    loop->has_left = true;
    MHD_socket left = MHD_quiesce_daemon(loop->daemon);
    if (left != MHD_INVALID_SOCKET) close(left);
}

static void look_within(chttpshim_loop *loop, int64_t milliseconds)
{
    int64_t latest = loop->now + milliseconds;
    if (loop->next_look == 0 || loop->next_look > latest) loop->next_look = latest;
}

void chttpshim_loop_look_soon(chttpshim_loop *loop)
{
    look_within(loop, BUSY_LOOK_MILLISECONDS);
}

static void look_for_late_connections(chttpshim_loop *loop)
{
    bool is_draining = atomic_load(&loop->server->draining);
    if (is_draining) look_within(loop, DRAINING_LOOK_MILLISECONDS);
    if (loop->next_look == 0 || loop->now < loop->next_look) return;
    bool is_busy = false;
    bool are_any = chttpshim_connections_end_late(&loop->server->connections, loop, &is_busy);
    loop->next_look = 0;
    if (!are_any) return;
    look_within(
        loop,
        is_draining   ? DRAINING_LOOK_MILLISECONDS
            : is_busy ? BUSY_LOOK_MILLISECONDS
                      : IDLE_LOOK_MILLISECONDS);
}

static void *serve(void *context)
{
    chttpshim_loop *loop = own_loop = context;
    chttpshim_server *server = loop->server;
    while (!atomic_load(&server->stopping)) {
        await_event(loop);
        loop->now = chttpshim_now();
        if (atomic_load(&server->leaving) && !loop->has_left) leave_socket(loop);
        MHD_run(loop->daemon);
        if (server->options.flush != NULL && loop->parked > 0) server->options.flush(server->options.context);
        chttpshim_connections_check_answered(loop);
        look_for_late_connections(loop);
    }
    return NULL;
}

// MARK: Life

static struct MHD_Daemon *start_daemon(chttpshim_loop *loop, int listen_socket, unsigned connection_limit)
{
    const chttpshim_options *options = &loop->server->options;
    bool is_secure = options->tls_priorities != NULL;
    struct MHD_OptionItem secure[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)chttpshim_tls_select},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)options->tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (is_secure ? MHD_USE_TLS : 0), 0,
        chttpshim_connections_admit, &loop->server->connections, chttpshim_server_access, loop,
        MHD_OPTION_EXTERNAL_LOGGER, chttpshim_server_log, loop, MHD_OPTION_LISTEN_SOCKET, listen_socket,
        MHD_OPTION_NOTIFY_COMPLETED, chttpshim_server_completed, loop, MHD_OPTION_NOTIFY_CONNECTION,
        chttpshim_connections_notify, loop, MHD_OPTION_CONNECTION_LIMIT, connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_URI_LOG_CALLBACK, chttpshim_server_begin_request, NULL,
        MHD_OPTION_UNESCAPE_CALLBACK, chttpshim_server_unescape, NULL, MHD_OPTION_ARRAY, is_secure ? secure : plain,
        MHD_OPTION_END);
}

bool chttpshim_loop_open(chttpshim_loop *loop, chttpshim_server *server, unsigned connection_limit)
{
    loop->server = server;
    loop->wake_descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_descriptor < 0) return false;
    // libmicrohttpd closes its socket, and each loop has one.
    int listen_socket = fcntl(server->options.listen_socket, F_DUPFD_CLOEXEC, 0);
    loop->daemon = listen_socket < 0 ? NULL : start_daemon(loop, listen_socket, connection_limit);
    if (loop->daemon == NULL) {
        if (listen_socket >= 0) close(listen_socket);
        close(loop->wake_descriptor);
        return false;
    }
    loop->epoll_descriptor = MHD_get_daemon_info(loop->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    // libmicrohttpd begins to listen in the first turn.
    loop->must_run_again = true;
    return true;
}

bool chttpshim_loop_begin(chttpshim_loop *loop)
{
    if (pthread_create(&loop->thread, NULL, serve, loop) != 0) return false;
    pthread_setname_np(loop->thread, "http");
    return true;
}

void chttpshim_loop_join(chttpshim_loop *loop)
{
    pthread_join(loop->thread, NULL);
}

void chttpshim_loop_close(chttpshim_loop *loop)
{
    // MHD_stop_daemon would shut the socket down for all processes that hold it.
    if (!loop->has_left) leave_socket(loop);
    MHD_stop_daemon(loop->daemon);
    close(loop->wake_descriptor);
}
