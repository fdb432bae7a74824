#include "CContentCoding.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

// MARK: Blocks

typedef struct {
    unsigned char *bytes;
    size_t length, capacity, mapped_length;
} block;

// Reserves address space for the largest result at once. The system gives memory page by page as it is written, so a
// body takes what it decodes to, growing copies nothing, and unmapping returns all of it: malloc would keep the memory
// of a bomb.
static bool map_block(block *block, size_t capacity, size_t padding)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t mapped_length = (capacity + padding + page - 1) / page * page;
    void *bytes = mmap(NULL, mapped_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED) return false;
    block->bytes = bytes;
    block->capacity = capacity;
    block->mapped_length = mapped_length;
    return true;
}

static bool add(const ccontentcoding_account *account, size_t bytes)
{
    return account == NULL || bytes == 0 || account->add(account->context, bytes);
}

static ccontentcoding_result finish(block *block, ccontentcoding_result result, ccontentcoding_block *output)
{
    *output = (ccontentcoding_block){0};
    if (result == CCONTENTCODING_OK) {
        *output = (ccontentcoding_block){block->bytes, block->length, block->mapped_length};
    } else if (block->bytes != NULL) {
        munmap(block->bytes, block->mapped_length);
    }
    return result;
}

// MARK: zlib

// The most bytes that are decoded before they are counted.
enum { ACCOUNTED_BYTES = 256 * 1024 };

static bool looks_like_gzip(const unsigned char *input, size_t length)
{
    return length >= 2 && input[0] == 0x1f && input[1] == 0x8b;
}

static bool looks_like_zlib(const unsigned char *input, size_t length)
{
    // RFC 1950, section 2.2: method 8, and the first two bytes are a multiple of 31.
    return length >= 2 && (input[0] & 0x0f) == 8 && (input[0] * 256u + input[1]) % 31 == 0;
}

// The block has room for one byte more than the limit: if that byte is written, the body is too large. All lengths fit
// zlib's unsigned counts, because no limit is above 2 GiB.
static ccontentcoding_result inflate_members(
    z_stream *stream, bool is_gzip, size_t limit, const ccontentcoding_account *account, block *block)
{
    for (;;) {
        size_t room = block->capacity - block->length;
        if (account != NULL && room > ACCOUNTED_BYTES) room = ACCOUNTED_BYTES;
        stream->next_out = block->bytes + block->length;
        stream->avail_out = (unsigned)room;
        int status = inflate(stream, Z_FINISH);
        size_t added = room - stream->avail_out;
        block->length += added;
        if (block->length > limit) return CCONTENTCODING_TOO_LARGE;
        if (!add(account, added)) return CCONTENTCODING_NO_ROOM;
        if (status != Z_STREAM_END) {
            if (status == Z_MEM_ERROR) return CCONTENTCODING_OUT_OF_MEMORY;
            // Z_BUF_ERROR: all input was read, or all room is taken. If there is room, the input was cut off.
            if (status != Z_BUF_ERROR || stream->avail_out > 0) return CCONTENTCODING_MALFORMED;
            continue;
        }
        if (stream->avail_in == 0) return CCONTENTCODING_OK;
        bool is_next_member = is_gzip && looks_like_gzip(stream->next_in, stream->avail_in);
        if (!is_next_member || inflateReset(stream) != Z_OK) return CCONTENTCODING_MALFORMED;
    }
}

ccontentcoding_result ccontentcoding_inflate(
    const void *input, size_t length, bool is_gzip, size_t limit, size_t padding, const ccontentcoding_account *account,
    ccontentcoding_block *output)
{
    block block = {0};
    if (length > UINT_MAX || limit >= UINT_MAX || !map_block(&block, limit + 1, padding))
        return finish(&block, CCONTENTCODING_OUT_OF_MEMORY, output);
    // 15 is the largest window; +16 reads gzip's frame, a minus reads none (zlib.h, inflateInit2).
    int window = is_gzip ? 15 + 16 : looks_like_zlib(input, length) ? 15 : -15;
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)input, .avail_in = (unsigned)length};
    if (inflateInit2(&stream, window) != Z_OK) return finish(&block, CCONTENTCODING_OUT_OF_MEMORY, output);
    ccontentcoding_result result = inflate_members(&stream, is_gzip, limit, account, &block);
    inflateEnd(&stream);
    return finish(&block, result, output);
}

ccontentcoding_result ccontentcoding_gzip(const void *input, size_t length, ccontentcoding_block *output)
{
    block block = {0};
    z_stream stream = {0};
    if (length > UINT_MAX || deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return finish(&block, CCONTENTCODING_OUT_OF_MEMORY, output);
    size_t bound = deflateBound(&stream, length);
    int status = Z_MEM_ERROR;
    if (bound <= UINT_MAX && map_block(&block, bound, 0)) {
        stream.next_in = (unsigned char *)(uintptr_t)input;
        stream.avail_in = (unsigned)length;
        stream.next_out = block.bytes;
        stream.avail_out = (unsigned)bound;
        status = deflate(&stream, Z_FINISH);
        block.length = stream.total_out;
    }
    deflateEnd(&stream);
    return finish(&block, status == Z_STREAM_END ? CCONTENTCODING_OK : CCONTENTCODING_OUT_OF_MEMORY, output);
}

// MARK: zstd

ccontentcoding_result ccontentcoding_unzstd(
    const void *input, size_t length, size_t limit, size_t padding, const ccontentcoding_account *account,
    ccontentcoding_block *output)
{
    block block = {0};
    if (!map_block(&block, limit, padding)) return finish(&block, CCONTENTCODING_OUT_OF_MEMORY, output);
    // The length that the first frame announces is counted before anything is decoded, what exceeds it afterwards.
    unsigned long long announced = ZSTD_getFrameContentSize(input, length);
    if (announced == ZSTD_CONTENTSIZE_UNKNOWN || announced == ZSTD_CONTENTSIZE_ERROR) announced = 0;
    if (announced > limit) return finish(&block, CCONTENTCODING_TOO_LARGE, output);
    if (!add(account, (size_t)announced)) return finish(&block, CCONTENTCODING_NO_ROOM, output);
    // In one call: a streaming decoder would keep the frame's window beside the output, up to 128 MiB of it.
    size_t decoded = ZSTD_decompress(block.bytes, limit, input, length);
    ccontentcoding_result result = CCONTENTCODING_OK;
    if (!ZSTD_isError(decoded)) {
        block.length = decoded;
        if (decoded > announced && !add(account, decoded - (size_t)announced)) result = CCONTENTCODING_NO_ROOM;
    } else {
        switch (ZSTD_getErrorCode(decoded)) {
        case ZSTD_error_dstSize_tooSmall: result = CCONTENTCODING_TOO_LARGE; break;
        case ZSTD_error_memory_allocation: result = CCONTENTCODING_OUT_OF_MEMORY; break;
        default: result = CCONTENTCODING_MALFORMED; break;
        }
    }
    return finish(&block, result, output);
}

ccontentcoding_result ccontentcoding_zstd(const void *input, size_t length, ccontentcoding_block *output)
{
    block block = {0};
    if (!map_block(&block, ZSTD_compressBound(length), 0)) return finish(&block, CCONTENTCODING_OUT_OF_MEMORY, output);
    block.length = ZSTD_compress(block.bytes, block.capacity, input, length, 1);
    return finish(&block, ZSTD_isError(block.length) ? CCONTENTCODING_OUT_OF_MEMORY : CCONTENTCODING_OK, output);
}
