// See memory.h.

#define _GNU_SOURCE  // mremap

#include "memory.h"

#include "loop.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// A body that has not grown for so long gives way to others.
enum { STALLED_MILLISECONDS = 2000 };

// The part of the limit that is kept beside it.
enum { KEPT_DIVISOR = 4 };

enum { FIRST_BODY_BYTES = 4096 };

// Larger bodies have pages of their own: malloc would keep what they leave for the next ones.
enum { MAPPED_BODY_BYTES = 1024 * 1024 };

struct chttpshim_client {
    uint64_t number;
    size_t bytes;
    // Listed bodies, and shares.
    unsigned holders;
};

// The memory of a body that was taken out of the server, or of what was made from it.
struct chttpshim_share {
    chttpshim_memory *memory;
    struct chttpshim_client *client;
    size_t length;
};

// MARK: Life

chttpshim_memory *chttpshim_memory_create(size_t limit)
{
    chttpshim_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) return NULL;
    memory->limit = limit;
    atomic_init(&memory->owners, 1);
    pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

void chttpshim_memory_release(chttpshim_memory *memory)
{
    if (atomic_fetch_sub(&memory->owners, 1) > 1) return;
    pthread_mutex_destroy(&memory->lock);
    free(memory);
}

// MARK: Clients. Under the lock.

static int compare(const void *left, const void *right)
{
    uint64_t first = ((const struct chttpshim_client *)left)->number;
    uint64_t second = ((const struct chttpshim_client *)right)->number;
    return first < second ? -1 : first > second;
}

// NULL if there is no memory.
static struct chttpshim_client *join(chttpshim_memory *memory, uint64_t number)
{
    struct chttpshim_client wanted = {.number = number};
    struct chttpshim_client **found = tfind(&wanted, &memory->clients, compare);
    struct chttpshim_client *client = found != NULL ? *found : NULL;
    if (client == NULL) {
        client = calloc(1, sizeof *client);
        if (client == NULL) return NULL;
        client->number = number;
        if (tsearch(client, &memory->clients, compare) == NULL) {
            free(client);
            return NULL;
        }
        memory->client_count++;
    }
    client->holders++;
    return client;
}

static void leave(chttpshim_memory *memory, struct chttpshim_client *client)
{
    if (--client->holders > 0) return;
    tdelete(client, &memory->clients, compare);
    memory->client_count--;
    free(client);
}

// MARK: Listed bodies. Under the lock.

static bool list(chttpshim_body *body)
{
    chttpshim_memory *memory = body->memory;
    body->client = join(memory, body->client_number);
    if (body->client == NULL) return false;
    body->next = memory->first;
    if (body->next != NULL) body->next->previous = body;
    memory->first = body;
    body->is_shared = body->is_listed = true;
    return true;
}

static void unlist(chttpshim_body *body)
{
    if (!body->is_listed) return;
    if (body->next != NULL) body->next->previous = body->previous;
    if (body->previous != NULL) body->previous->next = body->next;
    else body->memory->first = body->next;
    body->is_listed = false;
}

static void free_bytes(chttpshim_body *body)
{
    if (body->mapped_length > 0) munmap(body->bytes, body->mapped_length);
    else free(body->bytes);
    body->bytes = NULL;
    body->length = body->capacity = body->mapped_length = 0;
}

// Frees the bytes of a body, which no longer counts.
static void empty(chttpshim_body *body)
{
    unlist(body);
    if (body->client != NULL) {
        body->client->bytes -= body->length;
        leave(body->memory, body->client);
        body->client = NULL;
    }
    atomic_fetch_sub(&body->memory->bytes, body->length);
    free_bytes(body);
}

static void drop(chttpshim_body *body)
{
    empty(body);
    body->is_dropped = true;
}

// The bytes that a client may hold in any case while others compete.
static size_t kept_share(const chttpshim_memory *memory)
{
    return memory->limit / KEPT_DIVISOR / memory->client_count;
}

static bool is_stalled(const chttpshim_body *body, int64_t now)
{
    return now - body->grown_at >= STALLED_MILLISECONDS;
}

// Whether `body` gives way before `other`, both of which may.
static bool goes_first(const chttpshim_body *body, const chttpshim_body *other, int64_t now)
{
    if (is_stalled(body, now) != is_stalled(other, now)) return is_stalled(body, now);
    if (body->client->bytes != other->client->bytes) return body->client->bytes > other->client->bytes;
    return body->length > other->length;
}

static bool gives_way(const chttpshim_body *body, const chttpshim_body *other, size_t added, int64_t now)
{
    if (body == other || body->length == 0) return false;
    // Within a client only stalled bodies give way: otherwise none of many would ever be whole.
    if (body->client == other->client) return is_stalled(body, now);
    if (body->client->bytes > other->client->bytes + added) return true;
    return is_stalled(body, now) && body->client->bytes > kept_share(body->memory);
}

// The body that gives way to `body`, or NULL.
static chttpshim_body *victim_of(const chttpshim_body *body, size_t added, int64_t now)
{
    chttpshim_body *victim = NULL;
    for (chttpshim_body *each = body->memory->first; each != NULL; each = each->next) {
        if (!gives_way(each, body, added, now)) continue;
        if (victim == NULL || goes_first(each, victim, now)) victim = each;
    }
    return victim;
}

static size_t kept_limit(const chttpshim_memory *memory)
{
    return memory->limit + memory->limit / KEPT_DIVISOR;
}

// Counts `added` bytes more for a listed body, in place of others' if there is no room.
static bool reserve(chttpshim_body *body, size_t added, int64_t now)
{
    chttpshim_memory *memory = body->memory;
    size_t bytes = atomic_fetch_add(&memory->bytes, added) + added;
    while (bytes > memory->limit) {
        chttpshim_body *victim = victim_of(body, added, now);
        if (victim == NULL) break;
        drop(victim);
        bytes = atomic_load(&memory->bytes);
    }
    if (bytes <= memory->limit || (body->client->bytes + added <= kept_share(memory) && bytes <= kept_limit(memory)))
        return true;
    atomic_fetch_sub(&memory->bytes, added);
    return false;
}

// MARK: Growing

static bool grow_mapping(chttpshim_body *body, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size = (size + page - 1) / page * page;
    void *bytes = body->mapped_length > 0
        ? mremap(body->bytes, body->mapped_length, size, MREMAP_MAYMOVE)
        : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED) return false;
    if (body->mapped_length == 0 && body->bytes != NULL) {
        memcpy(bytes, body->bytes, body->length);
        free(body->bytes);
    }
    body->bytes = bytes;
    body->mapped_length = size;
    return true;
}

// Reserves address space by what has come, not by what was announced.
static bool grow(chttpshim_body *body, size_t needed, uint64_t expected, size_t padding)
{
    if (needed <= body->capacity) return true;
    size_t capacity = body->capacity * 2;
    if (capacity < FIRST_BODY_BYTES) capacity = FIRST_BODY_BYTES;
    if (expected >= needed && capacity > expected) capacity = (size_t)expected;
    if (capacity < needed) capacity = needed;
    if (capacity + padding >= MAPPED_BODY_BYTES) {
        if (!grow_mapping(body, capacity + padding)) return false;
    } else {
        char *bytes = realloc(body->bytes, capacity + padding);
        if (bytes == NULL) return false;
        body->bytes = bytes;
    }
    body->capacity = capacity;
    return true;
}

// Appends bytes that are counted. The padding is zeros, so that a malformed body gets the same answer each time.
static void append(chttpshim_body *body, const char *chunk, size_t length, size_t padding)
{
    memcpy(body->bytes + body->length, chunk, length);
    body->length += length;
    memset(body->bytes + body->length, 0, padding);
}

// A body that comes in one piece is handed over at once: there is no time to drop it.
static bool append_whole(chttpshim_body *body, const char *chunk, size_t length, size_t padding)
{
    chttpshim_memory *memory = body->memory;
    if (atomic_fetch_add(&memory->bytes, length) + length > kept_limit(memory)
        || !grow(body, length, length, padding)) {
        atomic_fetch_sub(&memory->bytes, length);
        return false;
    }
    append(body, chunk, length, padding);
    return true;
}

static bool append_shared(
    chttpshim_body *body, const char *chunk, size_t length, uint64_t expected, size_t padding, int64_t now)
{
    if (body->is_dropped || (!body->is_listed && !list(body))) return false;
    body->grown_at = now;
    if (!grow(body, body->length + length, expected, padding) || !reserve(body, length, now)) {
        drop(body);
        return false;
    }
    append(body, chunk, length, padding);
    body->client->bytes += length;
    return true;
}

bool chttpshim_body_append(
    chttpshim_body *body, const char *chunk, size_t length, uint64_t expected, size_t padding, int64_t now)
{
    if (!body->is_shared && length == expected) return append_whole(body, chunk, length, padding);
    pthread_mutex_lock(&body->memory->lock);
    bool is_appended = append_shared(body, chunk, length, expected, padding, now);
    pthread_mutex_unlock(&body->memory->lock);
    return is_appended;
}

// MARK: The end

bool chttpshim_body_finish(chttpshim_body *body)
{
    if (!body->is_shared) return true;
    pthread_mutex_lock(&body->memory->lock);
    unlist(body);
    bool is_whole = !body->is_dropped;
    pthread_mutex_unlock(&body->memory->lock);
    return is_whole;
}

// NULL if there is no memory. The caller has made `client` count it.
static chttpshim_share *new_share(chttpshim_memory *memory, struct chttpshim_client *client, size_t length)
{
    chttpshim_share *share = malloc(sizeof *share);
    if (share == NULL) return NULL;
    *share = (chttpshim_share){.memory = memory, .client = client, .length = length};
    atomic_fetch_add(&memory->owners, 1);
    return share;
}

char *chttpshim_body_take(chttpshim_body *body, size_t *length, size_t *mapped_length, chttpshim_share **share)
{
    char *bytes = body->bytes;
    *length = body->length;
    *mapped_length = body->mapped_length;
    body->mapped_length = 0;
    *share = body->client == NULL ? NULL : new_share(body->memory, body->client, body->length);
    body->bytes = NULL;
    if (*share == NULL) {
        // One piece, or no memory for the share: it counts no longer.
        chttpshim_body_clear(body);
        return bytes;
    }
    body->client = NULL;
    body->length = body->capacity = 0;
    return bytes;
}

chttpshim_share *chttpshim_memory_share(chttpshim_memory *memory, uint64_t client_number)
{
    pthread_mutex_lock(&memory->lock);
    struct chttpshim_client *client = join(memory, client_number);
    chttpshim_share *share = client == NULL ? NULL : new_share(memory, client, 0);
    if (client != NULL && share == NULL) leave(memory, client);
    pthread_mutex_unlock(&memory->lock);
    return share;
}

bool chttpshim_share_grow(chttpshim_share *share, size_t bytes)
{
    // Not listed: a share is not dropped for others.
    chttpshim_body holder = {.memory = share->memory, .client = share->client};
    int64_t now = chttpshim_now();
    pthread_mutex_lock(&share->memory->lock);
    bool has_room = reserve(&holder, bytes, now);
    if (has_room) {
        share->client->bytes += bytes;
        share->length += bytes;
    }
    pthread_mutex_unlock(&share->memory->lock);
    return has_room;
}

void chttpshim_share_release(chttpshim_share *share)
{
    chttpshim_memory *memory = share->memory;
    pthread_mutex_lock(&memory->lock);
    share->client->bytes -= share->length;
    leave(memory, share->client);
    pthread_mutex_unlock(&memory->lock);
    atomic_fetch_sub(&memory->bytes, share->length);
    chttpshim_memory_release(memory);
    free(share);
}

void chttpshim_body_clear(chttpshim_body *body)
{
    if (!body->is_shared) {
        // No other thread knows it.
        empty(body);
        return;
    }
    pthread_mutex_lock(&body->memory->lock);
    empty(body);
    pthread_mutex_unlock(&body->memory->lock);
}
