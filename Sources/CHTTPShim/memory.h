// The memory of request bodies, shared out by client.
//
// A client is a user or a token, else an address; chttpshim_options gives the limit. While there is room, anyone may
// take it. Without room, a body that needs more takes it from another body: from one that has not grown for a while, or
// from the largest of the client that holds most, if that is more than its own client holds. That body is dropped, and
// its request refused. Each client keeps a little in any case. A quarter more than the limit is kept for bodies that
// arrive in one piece, and for clients that hold less than their share of that quarter while nothing can be dropped.
#ifndef CHTTPSHIM_MEMORY_H
#define CHTTPSHIM_MEMORY_H

#include "CHTTPShim.h"

#include <pthread.h>
#include <stdatomic.h>

/// The memory of all bodies of a server. Bodies that were taken may outlive the server.
typedef struct chttpshim_memory {
    size_t limit;
    // Held by the server and by each share.
    atomic_uint owners;
    // Bytes of all bodies and shares.
    atomic_size_t bytes;
    pthread_mutex_t lock;
    // Under the lock.
    struct chttpshim_body *first;
    // A tree by number (tsearch).
    void *clients;
    unsigned client_count;
} chttpshim_memory;

/// A body that is being gathered. It begins with all zeros but the first two members.
typedef struct chttpshim_body {
    chttpshim_memory *memory;
    // The client whose share it takes.
    uint64_t client_number;
    // Whether it arrives in several pieces, and counts in its client's share. Written by the body's own thread only.
    bool is_shared;
    // Whether it may be dropped. While it may, what follows is used only under the lock.
    bool is_listed;
    bool is_dropped;
    char *bytes;
    size_t length;
    size_t capacity;
    // If the bytes are pages from mmap: how many bytes; 0 if they are from malloc.
    size_t mapped_length;
    struct chttpshim_client *client;
    struct chttpshim_body *previous;
    struct chttpshim_body *next;
    // When it grew, in milliseconds of the monotonic clock.
    int64_t grown_at;
} chttpshim_body;

/// NULL if there is no memory.
chttpshim_memory *chttpshim_memory_create(size_t limit);
void chttpshim_memory_release(chttpshim_memory *memory);

/// Appends a chunk. `expected`: how long the body says that it is; 0 if that is not known.
///
/// False if there is no memory for it, or the body was dropped for others. It is empty then.
bool chttpshim_body_append(
    chttpshim_body *body, const char *chunk, size_t length, uint64_t expected, size_t padding, int64_t now);

/// No more will come: the body is dropped no longer. False if it was dropped already.
bool chttpshim_body_finish(chttpshim_body *body);

/// The bytes of a finished body, which becomes empty; NULL for an empty one. The caller unmaps them if `mapped_length`
/// is not 0, and else frees them.
///
/// `share` is then to be released, unless it is NULL: until then the bytes count in the client's share.
char *chttpshim_body_take(chttpshim_body *body, size_t *length, size_t *mapped_length, chttpshim_share **share);

/// See `chttpshim_exchange_share`.
chttpshim_share *chttpshim_memory_share(chttpshim_memory *memory, uint64_t client_number);

/// Empties a body.
void chttpshim_body_clear(chttpshim_body *body);

#endif
