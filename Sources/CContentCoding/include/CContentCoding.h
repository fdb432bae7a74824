// gzip, deflate and zstd over whole bodies, with a limit on the decoded length. In C because zlib's inflateInit2 is a
// macro and because results lie in mappings, which take memory only as they are written.
#ifndef CCONTENTCODING_H
#define CCONTENTCODING_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    CCONTENTCODING_OK = 0,
    /// Not in this coding, truncated, or followed by other bytes.
    CCONTENTCODING_MALFORMED,
    /// The decoded body would exceed the limit.
    CCONTENTCODING_TOO_LARGE,
    CCONTENTCODING_OUT_OF_MEMORY,
    /// There is no room for the decoded body, by the caller's account.
    CCONTENTCODING_NO_ROOM,
} ccontentcoding_result;

/// An account of the memory that decoded bodies take.
typedef struct {
    /// Counts so many bytes more. False if there is no room for them: the body is not decoded any further.
    bool (*add)(const void *context, size_t bytes);
    const void *context;
} ccontentcoding_account;

typedef struct {
    /// Whole pages from mmap, owned by the caller, which unmaps them; NULL unless the result is CCONTENTCODING_OK.
    void *bytes;
    size_t length;
    size_t mapped_length;
} ccontentcoding_block;

/// Decodes gzip (RFC 1952, also of several members) or deflate (RFC 9110, section 8.4.1.2: zlib's format; also raw
/// deflate, which some clients send by that name). The output has at most `limit` bytes, and `padding` readable bytes
/// after them. `account` may be NULL. Bytes that it counted stay counted, even if decoding fails.
ccontentcoding_result ccontentcoding_inflate(
    const void *input, size_t length, bool is_gzip, size_t limit, size_t padding, const ccontentcoding_account *account,
    ccontentcoding_block *output);

/// Decodes zstd frames (RFC 8878).
ccontentcoding_result ccontentcoding_unzstd(
    const void *input, size_t length, size_t limit, size_t padding, const ccontentcoding_account *account,
    ccontentcoding_block *output);

/// Encodes as one gzip member, at zlib's fastest level, because a scrape is read once.
ccontentcoding_result ccontentcoding_gzip(const void *input, size_t length, ccontentcoding_block *output);

/// Encodes as one zstd frame at level 1.
ccontentcoding_result ccontentcoding_zstd(const void *input, size_t length, ccontentcoding_block *output);

#endif
