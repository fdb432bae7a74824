#define _GNU_SOURCE  // POLLRDHUP

#include "connections.h"
#include "exchange.h"
#include "loop.h"
#include "tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// The time for the headers of a request, for its body and for its answer each. libmicrohttpd ends connections that are
// silent, but not those that send or read a byte from time to time. Bodies and answers get a second more for each 16
// KiB.
enum { REQUEST_MILLISECONDS = 30 * 1000, LEAST_BYTES_PER_MILLISECOND = 16 };

// A client that has just connected is about to send a request: a stop waits for it this long.
enum { FRESH_MILLISECONDS = 250 };

// So long after an answer it is checked whether the peer has ended its side. Most send another request meanwhile.
enum { ANSWERED_MILLISECONDS = 20 };

struct address_count {
    chttpshim_address address;
    unsigned connections;
};

struct chttpshim_connection {
    struct chttpshim_connection *previous;
    struct chttpshim_connection *next;
    struct MHD_Connection *connection;
    // The loop that serves it.
    chttpshim_loop *loop;
    int descriptor;
    // Since when it has been reading an answer; 0 if it does not.
    _Atomic int64_t answered_since;
    // When it came; 0 once it has sent a request line.
    _Atomic int64_t fresh_since;
    chttpshim_address address;
    struct address_count *count;
    uint64_t client;
    bool is_beyond_limit;
    unsigned tls_generation;
    // Used by the loop's own thread only.
    // In milliseconds of the monotonic clock; 0 if the connection has no deadline.
    int64_t deadline;
    // Whether it is between two requests.
    bool is_resting;
    // In the loop's list of connections that were answered a moment ago.
    bool is_listed;
    int64_t answered_at;
    struct chttpshim_connection *previous_answered;
    struct chttpshim_connection *next_answered;
    chttpshim_target target;
    bool awaits_opening;
};

// MARK: Addresses

static int compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof((struct address_count *)0)->address);
}

// An IPv4 address becomes an IPv6 one (RFC 4291, section 2.5.5.2); another family becomes all zeros.
static chttpshim_address address_of(const struct sockaddr *from)
{
    chttpshim_address address = {0};
    if (from == NULL) return address;
    if (from->sa_family == AF_INET) {
        address.bytes[10] = address.bytes[11] = 0xFF;
        memcpy(address.bytes + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, sizeof address.bytes);
    }
    return address;
}

// Whether the first half of an address belongs to one host or household, which can use any address of that half.
static bool has_network(const struct in6_addr *host)
{
    return !IN6_IS_ADDR_V4MAPPED(host) && !IN6_IS_ADDR_LOOPBACK(host);
}

static chttpshim_address network_of(chttpshim_address address)
{
    struct in6_addr host;
    memcpy(&host, address.bytes, sizeof host);
    if (has_network(&host)) memset(address.bytes + 8, 0, 8);
    return address;
}

// Shares are no secrets: a client that finds another of the same number shares with it, no more.
static uint64_t number_of(chttpshim_address network)
{
    uint64_t halves[2];
    memcpy(halves, network.bytes, sizeof halves);
    // Multiplicative hashing (Knuth, The Art of Computer Programming, section 6.4).
    uint64_t mixed = (halves[0] ^ (halves[0] >> 32)) * 0x9E3779B97F4A7C15 + halves[1];
    mixed = (mixed ^ (mixed >> 32)) * 0x9E3779B97F4A7C15;
    return mixed | 1;
}

void chttpshim_address_write(const chttpshim_address *address, bool as_network, char *buffer, size_t capacity)
{
    chttpshim_address shown = as_network ? network_of(*address) : *address;
    struct in6_addr host;
    memcpy(&host, shown.bytes, sizeof host);
    bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&host);
    if (inet_ntop(is_ipv4 ? AF_INET : AF_INET6, shown.bytes + (is_ipv4 ? 12 : 0), buffer, (socklen_t)capacity) == NULL)
        buffer[0] = '\0';
    if (as_network && has_network(&host)) strncat(buffer, "/64", capacity - strlen(buffer) - 1);
}

// NULL if there is no memory: the connection is then not counted.
static struct address_count *count_address(chttpshim_connections *connections, chttpshim_address address)
{
    struct address_count *count = calloc(1, sizeof *count);
    if (count == NULL) return NULL;
    count->address = network_of(address);
    struct address_count **found = tsearch(count, &connections->by_address, compare);
    if (found == NULL || *found != count) free(count);
    if (found == NULL) return NULL;
    (*found)->connections++;
    return *found;
}

static void uncount(chttpshim_connections *connections, struct address_count *count)
{
    if (count == NULL || --count->connections > 0) return;
    tdelete(count, &connections->by_address, compare);
    free(count);
}

// MARK: Connections that were answered a moment ago

static void list_answered(chttpshim_connection *connection)
{
    chttpshim_loop *loop = connection->loop;
    connection->is_listed = true;
    connection->answered_at = loop->now;
    connection->next_answered = NULL;
    connection->previous_answered = loop->last_answered;
    if (loop->last_answered != NULL) loop->last_answered->next_answered = connection;
    else loop->first_answered = connection;
    loop->last_answered = connection;
}

static void unlist_answered(chttpshim_connection *connection)
{
    if (!connection->is_listed) return;
    chttpshim_loop *loop = connection->loop;
    connection->is_listed = false;
    if (connection->next_answered != NULL) connection->next_answered->previous_answered = connection->previous_answered;
    else loop->last_answered = connection->previous_answered;
    if (connection->previous_answered != NULL) connection->previous_answered->next_answered = connection->next_answered;
    else loop->first_answered = connection->next_answered;
}

int64_t chttpshim_connections_next_check(const chttpshim_loop *loop)
{
    return loop->first_answered->answered_at + ANSWERED_MILLISECONDS;
}

// MARK: Life

void chttpshim_connections_init(chttpshim_connections *connections, const chttpshim_options *options)
{
    pthread_mutex_init(&connections->lock, NULL);
    connections->limit_per_address = options->connections_per_address;
}

void chttpshim_connections_destroy(chttpshim_connections *connections)
{
    pthread_mutex_destroy(&connections->lock);
}

// A quarter beyond the limit connections are refused at once: up to there a client gets an answer that says why.
enum MHD_Result chttpshim_connections_admit(void *context, const struct sockaddr *from, socklen_t length)
{
    (void)length;
    chttpshim_connections *connections = context;
    unsigned limit = connections->limit_per_address;
    if (limit == 0) return MHD_YES;
    struct address_count wanted = {.address = network_of(address_of(from))};
    pthread_mutex_lock(&connections->lock);
    struct address_count **found = tfind(&wanted, &connections->by_address, compare);
    bool is_admitted = found == NULL || (*found)->connections < limit + (limit + 3) / 4;
    pthread_mutex_unlock(&connections->lock);
    return is_admitted ? MHD_YES : MHD_NO;
}

static void begin(chttpshim_loop *loop, struct MHD_Connection *peer, void **socket_context)
{
    chttpshim_connections *connections = &loop->server->connections;
    chttpshim_connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return;
    connection->connection = peer;
    connection->loop = loop;
    connection->descriptor = MHD_get_connection_info(peer, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->tls_generation = chttpshim_tls_generation();
    connection->deadline = loop->now + REQUEST_MILLISECONDS;
    atomic_init(&connection->fresh_since, loop->now);
    connection->address = address_of(MHD_get_connection_info(peer, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    connection->client = number_of(network_of(connection->address));

    pthread_mutex_lock(&connections->lock);
    connection->count = count_address(connections, connection->address);
    connection->is_beyond_limit = connections->limit_per_address > 0 && connection->count != NULL
        && connection->count->connections > connections->limit_per_address;
    connection->next = connections->first;
    if (connection->next != NULL) connection->next->previous = connection;
    connections->first = connection;
    pthread_mutex_unlock(&connections->lock);

    *socket_context = connection;
    chttpshim_loop_look_soon(loop);
}

static void end(chttpshim_connection *connection)
{
    unlist_answered(connection);
    chttpshim_connections *connections = &connection->loop->server->connections;
    pthread_mutex_lock(&connections->lock);
    if (connection->next != NULL) connection->next->previous = connection->previous;
    if (connection->previous != NULL) connection->previous->next = connection->next;
    else connections->first = connection->next;
    uncount(connections, connection->count);
    pthread_mutex_unlock(&connections->lock);
    free(connection);
}

void chttpshim_connections_notify(
    void *context, struct MHD_Connection *connection, void **socket_context, enum MHD_ConnectionNotificationCode code)
{
    // At its limit libmicrohttpd listens again only in the turn after a connection has ended.
    ((chttpshim_loop *)context)->must_run_again = true;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        begin(context, connection, socket_context);
    } else if (*socket_context != NULL) {
        end(*socket_context);
        *socket_context = NULL;
    }
}

chttpshim_connection *chttpshim_connection_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

uint64_t chttpshim_connection_client(const chttpshim_connection *connection)
{
    return connection->client;
}

chttpshim_address chttpshim_connection_address(const chttpshim_connection *connection)
{
    return connection != NULL ? connection->address : (chttpshim_address){0};
}

// MARK: Requests

void chttpshim_connection_begin_request(chttpshim_connection *connection, const char *target)
{
    atomic_store_explicit(&connection->fresh_since, 0, memory_order_relaxed);
    connection->is_resting = false;
    unlist_answered(connection);
    chttpshim_loop_look_soon(connection->loop);
    chttpshim_target_begin(&connection->target, target);
    connection->awaits_opening = true;
}

void chttpshim_connection_open_request(chttpshim_connection *connection)
{
    connection->awaits_opening = false;
}

chttpshim_target *chttpshim_connection_target(chttpshim_connection *connection)
{
    return &connection->target;
}

struct MHD_Connection *chttpshim_connections_find_unopened(
    chttpshim_connections *connections, const chttpshim_loop *loop)
{
    struct MHD_Connection *found = NULL;
    pthread_mutex_lock(&connections->lock);
    for (chttpshim_connection *each = connections->first; each != NULL && found == NULL; each = each->next) {
        if (each->loop != loop || !each->awaits_opening) continue;
        // The size is known once the headers are in.
        if (MHD_get_connection_info(each->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) != NULL)
            found = each->connection;
    }
    pthread_mutex_unlock(&connections->lock);
    return found;
}

bool chttpshim_connection_is_beyond_limit(const chttpshim_connection *connection)
{
    return connection->is_beyond_limit;
}

bool chttpshim_connection_is_outdated(const chttpshim_connection *connection)
{
    return connection->tls_generation != chttpshim_tls_generation() && chttpshim_tls_verifies_clients();
}

// MARK: Time

void chttpshim_connection_expect(chttpshim_connection *connection)
{
    connection->deadline = connection->loop->now + REQUEST_MILLISECONDS;
}

void chttpshim_connection_answer(chttpshim_connection *connection, uint64_t bytes)
{
    int64_t now = connection->loop->now;
    connection->deadline = now + REQUEST_MILLISECONDS + (int64_t)(bytes / LEAST_BYTES_PER_MILLISECOND);
    atomic_store_explicit(&connection->answered_since, now, memory_order_relaxed);
}

void chttpshim_connection_got(chttpshim_connection *connection, uint64_t bytes)
{
    connection->deadline += (int64_t)(bytes / LEAST_BYTES_PER_MILLISECOND);
}

void chttpshim_connection_wait(chttpshim_connection *connection)
{
    connection->deadline = 0;
}

void chttpshim_connection_rest(chttpshim_connection *connection)
{
    const chttpshim_loop *loop = connection->loop;
    connection->is_resting = true;
    connection->deadline = loop->now + loop->server->options.idle_timeout_seconds * 1000L + REQUEST_MILLISECONDS;
    atomic_store_explicit(&connection->answered_since, 0, memory_order_relaxed);
    unlist_answered(connection);
    list_answered(connection);
}

// Whether the peer has sent its end while libmicrohttpd waits for more of a request. libmicrohttpd 0.9.75 reads once
// for each event: an end that comes together with the last bytes stays unread. Shutting down the reading side makes
// another event and takes nothing away: what has arrived can still be read, and an answer can still be sent.
static bool is_abandoned(const chttpshim_connection *connection)
{
    if (atomic_load_explicit(&connection->answered_since, memory_order_relaxed) != 0) return false;
    struct pollfd state = {.fd = connection->descriptor, .events = POLLRDHUP};
    return poll(&state, 1, 0) == 1 && (state.revents & POLLRDHUP) != 0;
}

void chttpshim_connections_check_answered(chttpshim_loop *loop)
{
    while (loop->first_answered != NULL && chttpshim_connections_next_check(loop) <= loop->now) {
        chttpshim_connection *connection = loop->first_answered;
        unlist_answered(connection);
        if (is_abandoned(connection)) shutdown(connection->descriptor, SHUT_RD);
    }
}

static void end_if_late(chttpshim_connection *connection)
{
    if (connection->deadline == 0) return;
    if (connection->loop->now < connection->deadline) {
        if (is_abandoned(connection)) shutdown(connection->descriptor, SHUT_RD);
        return;
    }
    // libmicrohttpd finds the end of the peer and cleans up.
    shutdown(connection->descriptor, SHUT_RDWR);
    connection->deadline = 0;
}

bool chttpshim_connections_end_late(chttpshim_connections *connections, const chttpshim_loop *loop, bool *is_busy)
{
    bool are_any = false;
    pthread_mutex_lock(&connections->lock);
    for (chttpshim_connection *connection = connections->first; connection != NULL; connection = connection->next) {
        if (connection->loop != loop) continue;
        are_any = true;
        if (!connection->is_resting) *is_busy = true;
        end_if_late(connection);
    }
    pthread_mutex_unlock(&connections->lock);
    return are_any;
}

void chttpshim_connections_end_slow_answers(chttpshim_connections *connections, unsigned seconds)
{
    int64_t limit = chttpshim_now() - seconds * 1000L;
    pthread_mutex_lock(&connections->lock);
    for (chttpshim_connection *connection = connections->first; connection != NULL; connection = connection->next) {
        int64_t since = atomic_load_explicit(&connection->answered_since, memory_order_relaxed);
        // Its loop cannot have closed the descriptor, because it takes the lock first.
        if (since != 0 && since < limit) shutdown(connection->descriptor, SHUT_RDWR);
    }
    pthread_mutex_unlock(&connections->lock);
}

unsigned chttpshim_connections_count_fresh(chttpshim_connections *connections)
{
    int64_t limit = chttpshim_now() - FRESH_MILLISECONDS;
    unsigned count = 0;
    pthread_mutex_lock(&connections->lock);
    for (chttpshim_connection *connection = connections->first; connection != NULL; connection = connection->next)
        if (atomic_load_explicit(&connection->fresh_since, memory_order_relaxed) > limit) count++;
    pthread_mutex_unlock(&connections->lock);
    return count;
}
