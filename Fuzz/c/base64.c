// Fuzzes the Base64 of credentials (Sources/CAccess) against a strict reader of RFC 4648, section 4.

#include "CAccess.h"
#include "fuzz.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void encode(const uint8_t *bytes, size_t count, char *text)
{
    for (size_t index = 0; index < count; index += 3) {
        size_t rest = count - index;
        uint32_t word = (uint32_t)bytes[index] << 16;
        if (rest > 1) word |= (uint32_t)bytes[index + 1] << 8;
        if (rest > 2) word |= bytes[index + 2];
        *text++ = alphabet[word >> 18];
        *text++ = alphabet[word >> 12 & 63];
        *text++ = rest > 1 ? alphabet[word >> 6 & 63] : '=';
        *text++ = rest > 2 ? alphabet[word & 63] : '=';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    // Any text: the result fits into the room that was promised, of which the sanitizer sees each byte beyond.
    char *text = malloc(count + 1);
    if (count > 0) memcpy(text, bytes, count);
    uint8_t *decoded = malloc(count + 1);
    memset(decoded, 0xA5, count + 1);
    ptrdiff_t length = caccess_base64(text, count, decoded);
    HOLDS(length >= -1 && length <= (ptrdiff_t)count, "%td of %zu", length, count);
    HOLDS(decoded[count] == 0xA5, "wrote beyond its room");
    if (length > 0) {
        // The text is that of the bytes, but for bits of its last two characters that no byte has.
        char *again = malloc((size_t)length * 4 / 3 + 4);
        encode(decoded, (size_t)length, again);
        size_t digits = ((size_t)length * 8 + 5) / 6;
        HOLDS(count >= digits, "%zu characters are %td bytes", count, length);
        HOLDS(memcmp(again, text, digits - 1) == 0, "%.*s", (int)count, text);
        for (size_t index = digits + 1; index < count; index++) HOLDS(text[index] == '=', "%.*s", (int)count, text);
        free(again);
    }
    free(decoded);
    free(text);

    // The input as the bytes themselves.
    size_t size = (count + 2) / 3 * 4;
    char *encoded = malloc(size + 1);
    encode(bytes, count, encoded);
    uint8_t *back = malloc(size + 1);
    ptrdiff_t backLength = caccess_base64(encoded, size, back);
    // GnuTLS takes no empty text.
    if (count > 0) {
        HOLDS(backLength == (ptrdiff_t)count, "%td, not %zu", backLength, count);
        HOLDS(memcmp(back, bytes, count) == 0, "of %zu bytes", count);
    }
    free(encoded);
    free(back);
    return 0;
}
