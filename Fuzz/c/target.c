// Fuzzes the target of a request (Sources/CHTTPShim/target.c), against a second reader of the same rules.

#include "../../Sources/CHTTPShim/target.h"
#include "fuzz.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static int digit(char byte)
{
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    return byte >= 'A' && byte <= 'F' ? byte - 'A' + 10 : -1;
}

// Decodes percent signs (RFC 3986, section 2.1) into `output`. A percent sign without two digits behind it stays.
static void decode(const char *text, char *output)
{
    char *end = output;
    for (const char *byte = text; *byte != '\0'; byte++) {
        int high = *byte == '%' ? digit(byte[1]) : -1;
        int low = high < 0 ? -1 : digit(byte[2]);
        if (low >= 0) byte += 2;
        *end++ = low >= 0 ? (char)(high * 16 + low) : *byte;
        // A path with a zero leads nowhere.
        if (end[-1] == '\0') {
            *output = '\0';
            return;
        }
    }
    *end = '\0';
}

static bool is_within(const char *part, const char *text, size_t length)
{
    uintptr_t first = (uintptr_t)text, place = (uintptr_t)part;
    return place >= first && place + strlen(part) <= first + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    // Exactly as large as the text, so that the address sanitizer sees each byte beyond it.
    char *text = malloc(count + 1), *copy = malloc(count + 1), *expected = malloc(count + 2);
    memcpy(text, bytes, count);
    text[count] = '\0';
    size_t length = strlen(text);
    strcpy(copy, text);

    bool is_authority = true, is_sound = true;
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)text[index];
        if (byte <= 0x20 || byte == 0x7F) is_sound = false;
        if (!isalnum(byte) && strchr("-._~!$&'()*+,;=:%[]", byte) == NULL) is_authority = false;
    }
    HOLDS(chttpshim_is_authority(text) == is_authority, "%s", copy);

    chttpshim_target target;
    chttpshim_target_begin(&target, text);
    HOLDS(target.text == text && target.length == length && target.path == text && target.authority == NULL, "begun");
    HOLDS(target.is_sound == is_sound, "%s", copy);

    // libmicrohttpd ends the path at the query.
    text[strcspn(text, "?")] = '\0';
    copy[strlen(text)] = '\0';
    chttpshim_target_take_apart(&target, text);
    size_t scheme = strncasecmp(copy, "http://", 7) == 0 ? 7 : strncasecmp(copy, "https://", 8) == 0 ? 8 : 0;
    const char *path = copy;
    if (scheme == 0) {
        HOLDS(target.authority == NULL, "%s", copy);
        HOLDS(!target.is_sound || copy[0] == '/' || strcmp(copy, "*") == 0, "%s", copy);
    } else {
        size_t host = strcspn(copy + scheme, "/");
        HOLDS(is_within(target.authority, text, length), "%s", copy);
        HOLDS(strlen(target.authority) == host && memcmp(target.authority, copy + scheme, host) == 0, "%s", copy);
        HOLDS(!target.is_sound || (host > 0 && chttpshim_is_authority(target.authority)), "%s", copy);
        path = copy[scheme + host] == '/' ? copy + scheme + host : "/";
    }
    decode(path, expected);
    HOLDS(strcmp(target.path, expected) == 0, "%s is not %s in %s", target.path, expected, copy);
    HOLDS(!target.is_sound || is_sound, "%s", copy);

    free(text);
    free(copy);
    free(expected);
    return 0;
}
