#include "CContentCoding.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

// MARK: A block that grows to a limit

typedef struct {
    unsigned char *bytes;
    size_t length, capacity, limit, padding;
} growing_block;

enum { FIRST_CAPACITY = 64 * 1024 };

// Room for at least one byte, or for none at the limit. realloc moves large blocks by remapping, so growing never holds two.
static bool grow(growing_block *block)
{
    if (block->length < block->capacity || block->capacity == block->limit) return true;
    size_t capacity = block->capacity == 0 ? FIRST_CAPACITY : block->capacity * 2;
    if (capacity > block->limit) capacity = block->limit;
    unsigned char *bytes = realloc(block->bytes, capacity + block->padding);
    if (bytes == NULL) return false;
    block->bytes = bytes;
    block->capacity = capacity;
    return true;
}

static llmcoding_result finish(growing_block *block, llmcoding_result result, llmcoding_block *output)
{
    if (result != LLMCODING_OK || block->length == 0) {
        free(block->bytes);
        block->bytes = NULL;
        block->length = 0;
    }
    output->bytes = block->bytes;
    output->length = block->length;
    return result;
}

// MARK: zlib

static bool looks_like_gzip(const unsigned char *input, size_t length)
{
    return length >= 2 && input[0] == 0x1f && input[1] == 0x8b;
}

static bool looks_like_zlib(const unsigned char *input, size_t length)
{
    // RFC 1950, section 2.2: method 8, and the first two bytes are a multiple of 31.
    return length >= 2 && (input[0] & 0x0f) == 8 && (input[0] * 256u + input[1]) % 31 == 0;
}

static llmcoding_result inflate_members(z_stream *stream, size_t length, bool is_gzip, growing_block *block)
{
    size_t rest = length;
    for (;;) {
        if (!grow(block)) return LLMCODING_OUT_OF_MEMORY;
        // At the limit one more byte is asked for, into nowhere: whether it comes tells "full" from "too large".
        unsigned char excess;
        size_t room = block->capacity - block->length;
        bool is_full = room == 0;
        if (room > UINT_MAX) room = UINT_MAX;
        unsigned given = rest > UINT_MAX ? UINT_MAX : (unsigned)rest;
        stream->avail_in = given;
        stream->next_out = is_full ? &excess : block->bytes + block->length;
        stream->avail_out = is_full ? 1 : (unsigned)room;
        unsigned offered = stream->avail_out;
        int status = inflate(stream, Z_NO_FLUSH);
        rest -= given - stream->avail_in;
        size_t produced = offered - stream->avail_out;
        if (is_full && produced > 0) return LLMCODING_TOO_LARGE;
        if (!is_full) block->length += produced;
        if (status == Z_STREAM_END) {
            if (rest == 0) return LLMCODING_OK;
            if (!is_gzip || !looks_like_gzip(stream->next_in, rest)) return LLMCODING_MALFORMED;
            if (inflateReset(stream) != Z_OK) return LLMCODING_MALFORMED;
        } else if (status != Z_OK && !(status == Z_BUF_ERROR && stream->avail_out == 0)) {
            return status == Z_MEM_ERROR ? LLMCODING_OUT_OF_MEMORY : LLMCODING_MALFORMED;
        } else if (rest == 0 && stream->avail_out > 0) {
            // Cut short: all input is read, and there was room for more.
            return LLMCODING_MALFORMED;
        }
    }
}

llmcoding_result llmcoding_inflate(
    const void *input, size_t length, size_t limit, size_t padding, llmcoding_block *output)
{
    growing_block block = {.limit = limit, .padding = padding};
    bool is_gzip = looks_like_gzip(input, length);
    // 15 is the largest window; +16 reads gzip's frame, a minus reads none (zlib.h, inflateInit2).
    int window = is_gzip ? 15 + 16 : looks_like_zlib(input, length) ? 15 : -15;
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)input};
    if (inflateInit2(&stream, window) != Z_OK) return finish(&block, LLMCODING_OUT_OF_MEMORY, output);
    llmcoding_result result = inflate_members(&stream, length, is_gzip, &block);
    inflateEnd(&stream);
    return finish(&block, result, output);
}

llmcoding_result llmcoding_gzip(const void *input, size_t length, llmcoding_block *output)
{
    *output = (llmcoding_block){0};
    z_stream stream = {0};
    if (length > UINT_MAX || deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return LLMCODING_OUT_OF_MEMORY;
    size_t bound = deflateBound(&stream, length);
    void *bytes = bound > UINT_MAX ? NULL : malloc(bound);
    if (bytes == NULL) {
        deflateEnd(&stream);
        return LLMCODING_OUT_OF_MEMORY;
    }
    stream.next_in = (unsigned char *)(uintptr_t)input;
    stream.avail_in = (unsigned)length;
    stream.next_out = bytes;
    stream.avail_out = (unsigned)bound;
    int status = deflate(&stream, Z_FINISH);
    *output = (llmcoding_block){.bytes = bytes, .length = stream.total_out};
    deflateEnd(&stream);
    if (status == Z_STREAM_END) return LLMCODING_OK;
    free(bytes);
    *output = (llmcoding_block){0};
    return LLMCODING_OUT_OF_MEMORY;
}

// MARK: zstd

// RFC 9659: a decoder of the content coding need not, and to bound its memory should not, take more than 8 MiB.
enum { ZSTD_WINDOW_LOG_MAX = 23 };

static llmcoding_result unzstd_frames(ZSTD_DCtx *context, ZSTD_inBuffer *input, growing_block *block)
{
    size_t left_in_frame = 0;
    for (;;) {
        if (!grow(block)) return LLMCODING_OUT_OF_MEMORY;
        unsigned char excess;
        bool is_full = block->length == block->capacity;
        ZSTD_outBuffer output = {
            .dst = is_full ? &excess : block->bytes + block->length,
            .size = is_full ? 1 : block->capacity - block->length,
        };
        size_t read_before = input->pos;
        left_in_frame = ZSTD_decompressStream(context, &output, input);
        if (ZSTD_isError(left_in_frame)) return LLMCODING_MALFORMED;
        if (is_full && output.pos > 0) return LLMCODING_TOO_LARGE;
        if (!is_full) block->length += output.pos;
        if (input->pos < input->size) continue;
        if (left_in_frame == 0) return LLMCODING_OK;
        // All is read: nothing more can come of it once a call makes nothing.
        if (output.pos < output.size && input->pos == read_before) return LLMCODING_MALFORMED;
    }
}

llmcoding_result llmcoding_unzstd(
    const void *input, size_t length, size_t limit, size_t padding, llmcoding_block *output)
{
    growing_block block = {.limit = limit, .padding = padding};
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (context == NULL) return finish(&block, LLMCODING_OUT_OF_MEMORY, output);
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    ZSTD_inBuffer source = {.src = input, .size = length};
    llmcoding_result result = length == 0 ? LLMCODING_MALFORMED : unzstd_frames(context, &source, &block);
    ZSTD_freeDCtx(context);
    return finish(&block, result, output);
}

llmcoding_result llmcoding_zstd(const void *input, size_t length, llmcoding_block *output)
{
    *output = (llmcoding_block){0};
    size_t bound = ZSTD_compressBound(length);
    void *bytes = malloc(bound);
    if (bytes == NULL) return LLMCODING_OUT_OF_MEMORY;
    size_t written = ZSTD_compress(bytes, bound, input, length, 1);
    if (ZSTD_isError(written)) {
        free(bytes);
        return LLMCODING_OUT_OF_MEMORY;
    }
    *output = (llmcoding_block){.bytes = bytes, .length = written};
    return LLMCODING_OK;
}
