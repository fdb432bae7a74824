// Fuzzes the content codings (Sources/CContentCoding) against zlib and zstd as streams, a few bytes at a time.

#define ZSTD_STATIC_LINKING_ONLY  // ZSTD_findDecompressedSize

#include "CContentCoding.h"
#include "fuzz.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { PADDING = 64, LARGEST = 1 << 16 };

typedef struct {
    // Whether all of the input is sound.
    bool is_sound;
    // Whether the output does not fit into LARGEST.
    bool is_large;
    // Whether the stream cannot say: it keeps the frame's window in memory, which the program does not need.
    bool is_unknown;
    size_t length;
    uint8_t bytes[LARGEST + 1];
} expectation;

static expectation expected;

// Reads gzip members, zlib's format, or raw deflate.
static void inflate_stream(const uint8_t *input, size_t count, int window, bool is_gzip)
{
    expected.is_sound = expected.is_large = expected.is_unknown = false;
    expected.length = 0;
    z_stream stream = {0};
    HOLDS(inflateInit2(&stream, window) == Z_OK, "out of memory");
    size_t fed = 0;
    for (;;) {
        if (stream.avail_in == 0 && fed < count) {
            // Seven bytes at a time, in a block of their own.
            stream.next_in = (unsigned char *)(uintptr_t)(input + fed);
            stream.avail_in = count - fed < 7 ? (unsigned)(count - fed) : 7;
            fed += stream.avail_in;
        }
        size_t room = sizeof expected.bytes - expected.length;
        stream.next_out = expected.bytes + expected.length;
        stream.avail_out = room < 13 ? (unsigned)room : 13;
        unsigned offered = stream.avail_out;
        int status = inflate(&stream, Z_NO_FLUSH);
        expected.length += offered - stream.avail_out;
        if (expected.length > LARGEST) {
            expected.is_large = true;
            break;
        }
        if (status == Z_STREAM_END) {
            const uint8_t *rest = input + fed - stream.avail_in;
            size_t left = count - fed + stream.avail_in;
            if (left == 0) {
                expected.is_sound = true;
                break;
            }
            // RFC 1952, section 2.2: members may follow one another.
            if (!is_gzip || left < 2 || rest[0] != 0x1F || rest[1] != 0x8B) break;
            inflateReset(&stream);
            continue;
        }
        if (status != Z_OK && status != Z_BUF_ERROR) break;
        if (status == Z_BUF_ERROR && stream.avail_in == 0 && fed == count) break;
    }
    inflateEnd(&stream);
}

static void unzstd_stream(const uint8_t *input, size_t count)
{
    static ZSTD_DStream *stream;
    if (stream == NULL) {
        stream = ZSTD_createDStream();
        // The largest window that a frame may ask for: the only limit is that of the output.
        ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound);
    }
    ZSTD_DCtx_reset(stream, ZSTD_reset_session_only);
    expected.is_sound = expected.is_large = expected.is_unknown = false;
    expected.length = 0;
    // No frame at all is an empty body.
    if (count == 0) {
        expected.is_sound = true;
        return;
    }
    ZSTD_inBuffer in = {input, 0, 0};
    size_t hint = 0;
    do {
        in.size = count - in.pos < 7 ? count : in.pos + 7;
        ZSTD_outBuffer out = {expected.bytes, sizeof expected.bytes, expected.length};
        size_t before = in.pos;
        hint = ZSTD_decompressStream(stream, &out, &in);
        bool is_stuck = in.pos == before && out.pos == expected.length;
        expected.length = out.pos;
        if (expected.length > LARGEST) {
            expected.is_large = true;
            return;
        }
        if (ZSTD_isError(hint)) {
            ZSTD_ErrorCode error = ZSTD_getErrorCode(hint);
            expected.is_unknown =
                error == ZSTD_error_frameParameter_windowTooLarge || error == ZSTD_error_memory_allocation;
            return;
        }
        if (is_stuck && hint != 0) return;
    } while (in.pos < count || (hint != 0 && expected.length < LARGEST && in.pos < in.size));
    // The stream does not compare a frame's content with the length in its header.
    expected.is_sound = hint == 0 && ZSTD_findDecompressedSize(input, count) == expected.length;
}

static void check(
    ccontentcoding_result result, const ccontentcoding_block *output, size_t limit, const char *coding, bool is_exact)
{
    if (result == CCONTENTCODING_OK) {
        HOLDS(output->length <= limit, "%s: %zu of %zu", coding, output->length, limit);
        HOLDS(output->length + PADDING <= output->mapped_length, "%s", coding);
        // Reads all of the padding.
        uint8_t sum = 0;
        for (size_t index = 0; index < PADDING; index++) sum |= ((uint8_t *)output->bytes)[output->length + index];
        HOLDS(sum == 0 || output->length < limit, "%s: output behind the limit", coding);
        HOLDS(expected.is_sound || !is_exact, "%s: taken, but the stream is refused", coding);
        if (!expected.is_unknown) {
            HOLDS(expected.length == output->length, "%s: %zu, not %zu", coding, output->length, expected.length);
            HOLDS(memcmp(expected.bytes, output->bytes, output->length) == 0, "%s: other bytes", coding);
        }
        munmap(output->bytes, output->mapped_length);
        return;
    }
    HOLDS(output->bytes == NULL && output->length == 0, "%s: bytes of a failure", coding);
    HOLDS(result != CCONTENTCODING_OUT_OF_MEMORY, "%s", coding);
    if (result == CCONTENTCODING_TOO_LARGE && is_exact)
        HOLDS(expected.is_large || expected.length > limit, "%s: %zu fit into %zu", coding, expected.length, limit);
    if (result == CCONTENTCODING_MALFORMED)
        HOLDS(!expected.is_sound || expected.length > limit, "%s: refused, but the stream is sound", coding);
}

static void check_round_trip(const uint8_t *bytes, size_t count)
{
    ccontentcoding_block packed, unpacked;
    HOLDS(ccontentcoding_gzip(bytes, count, &packed) == CCONTENTCODING_OK, "gzip");
    HOLDS(
        ccontentcoding_inflate(packed.bytes, packed.length, true, count, PADDING, NULL, &unpacked) == CCONTENTCODING_OK,
        "gzip does not come back");
    HOLDS(unpacked.length == count && (count == 0 || memcmp(unpacked.bytes, bytes, count) == 0), "gzip");
    munmap(unpacked.bytes, unpacked.mapped_length);
    if (count > 0)
        HOLDS(
            ccontentcoding_inflate(packed.bytes, packed.length, true, count - 1, PADDING, NULL, &unpacked)
                == CCONTENTCODING_TOO_LARGE,
            "gzip beyond its limit");
    munmap(packed.bytes, packed.mapped_length);

    HOLDS(ccontentcoding_zstd(bytes, count, &packed) == CCONTENTCODING_OK, "zstd");
    HOLDS(
        ccontentcoding_unzstd(packed.bytes, packed.length, count, PADDING, NULL, &unpacked) == CCONTENTCODING_OK,
        "zstd does not come back");
    HOLDS(unpacked.length == count && (count == 0 || memcmp(unpacked.bytes, bytes, count) == 0), "zstd");
    munmap(unpacked.bytes, unpacked.mapped_length);
    if (count > 0)
        HOLDS(
            ccontentcoding_unzstd(packed.bytes, packed.length, count - 1, PADDING, NULL, &unpacked)
                == CCONTENTCODING_TOO_LARGE,
            "zstd beyond its limit");
    munmap(packed.bytes, packed.mapped_length);
}

// Makes a coded body of some bytes, and damages it: repeats it, changes a byte, and cuts its end off.
static size_t damaged(uint8_t *coded, size_t length, const uint8_t *how)
{
    if ((how[0] & 1) != 0) {
        memcpy(coded + length, coded, length);
        length *= 2;
    }
    if ((how[0] & 2) != 0) coded[(how[1] * 256u + how[2]) % length] ^= how[3] | 1;
    if ((how[0] & 4) != 0) length -= how[3] % length;
    return length;
}

// An account without a limit: it changes how a body is decoded, not what it decodes to.
static size_t accounted;

static bool add(const void *context, size_t bytes)
{
    (void)context;
    accounted += bytes;
    return true;
}

// Every other input is decoded with an account.
static const ccontentcoding_account *account_of(size_t count)
{
    static const ccontentcoding_account account = {.add = add};
    accounted = 0;
    return count % 2 == 0 ? &account : NULL;
}

static void check_account(
    const ccontentcoding_account *account, ccontentcoding_result result, const ccontentcoding_block *output)
{
    if (account == NULL || result != CCONTENTCODING_OK) return;
    HOLDS(accounted == output->length, "the account has the length of the output");
}

static void test_inflate(const uint8_t *bytes, size_t count, bool is_gzip, size_t limit)
{
    // RFC 1950, section 2.2; else it is raw.
    bool is_zlib = count >= 2 && (bytes[0] & 15) == 8 && (bytes[0] << 8 | bytes[1]) % 31 == 0;
    inflate_stream(bytes, count, is_gzip ? 15 + 16 : is_zlib ? 15 : -15, is_gzip);
    ccontentcoding_block output;
    const ccontentcoding_account *account = account_of(count);
    ccontentcoding_result result = ccontentcoding_inflate(bytes, count, is_gzip, limit, PADDING, account, &output);
    check_account(account, result, &output);
    check(result, &output, limit, is_gzip ? "gzip" : "deflate", true);
}

static void test_unzstd(const uint8_t *bytes, size_t count, size_t limit)
{
    unzstd_stream(bytes, count);
    ccontentcoding_block output;
    const ccontentcoding_account *account = account_of(count);
    ccontentcoding_result result = ccontentcoding_unzstd(bytes, count, limit, PADDING, account, &output);
    check_account(account, result, &output);
    // Not all frames give the length of their content. zstd may also find the output too small before it finds the
    // input damaged.
    check(result, &output, limit, "zstd", false);
}

static void test_damaged(const uint8_t *bytes, size_t count, int coding, size_t limit)
{
    enum { HOW = 4 };
    if (count < HOW) return;
    const uint8_t *text = bytes + HOW;
    size_t length = count - HOW;
    ccontentcoding_block packed = {0};
    size_t room = compressBound(length) + 64;
    uint8_t *coded = malloc(2 * room);
    size_t size = room;
    if (coding == 1) {
        HOLDS(compress2(coded, &size, text, length, bytes[0] % 10) == Z_OK, "compress2");
    } else {
        HOLDS(
            (coding == 0 ? ccontentcoding_gzip : ccontentcoding_zstd)(text, length, &packed) == CCONTENTCODING_OK, "");
        size = packed.length;
        HOLDS(size <= room, "%zu", size);
        memcpy(coded, packed.bytes, size);
        munmap(packed.bytes, packed.mapped_length);
    }
    // A block of its own: the sanitizer sees each byte beyond the input that is read.
    size = damaged(coded, size, bytes);
    uint8_t *input = malloc(size);
    memcpy(input, coded, size);
    if (coding == 2) test_unzstd(input, size, limit);
    else test_inflate(input, size, coding == 0, limit);
    free(input);
    free(coded);
}

// The first byte chooses what is tested, the second the limit.
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (count < 2) return 0;
    uint8_t choice = bytes[0] % 8;
    size_t limit = (size_t)bytes[1] * 64;
    size_t length = count - 2;
    uint8_t *input = malloc(length);
    if (length > 0) memcpy(input, bytes + 2, length);
    switch (choice) {
    case 0: check_round_trip(input, length); break;
    case 1: test_inflate(input, length, true, limit); break;
    case 2: test_inflate(input, length, false, limit); break;
    case 3: test_unzstd(input, length, limit); break;
    default: test_damaged(input, length, choice % 3, limit); break;
    }
    free(input);
    return 0;
}
