// The request line, and Content-Length, Transfer-Encoding and Host: at most one of each.

#define _GNU_SOURCE  // strverscmp

#include "framing.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

typedef struct {
    unsigned content_lengths;
    unsigned transfer_encodings;
    unsigned hosts;
    bool is_chunked;
    bool is_malformed;
    bool has_bad_length;
    bool has_bad_host;
    // A bit for each of `singles`.
    unsigned seen;
    const char *repeated;
    // The end of the last line's text; NULL if the lines are not checked.
    const char *end;
    // The bytes that end a line: 1 or 2; 0 before the first is seen.
    size_t line_end;
} framing;

// Headers that the exporter reads, and that are no lists: two readers could each take another of two (RFC 9110, section
// 5.3).
static const struct {
    size_t length;
    const char *name;
} singles[] = {{12, "Content-Type"}, {13, "Authorization"}, {15, "Idempotency-Key"}, {12, "X-Agent-Name"}};

// MARK: Names

static bool is_token(const char *text)
{
    // RFC 9110, section 5.6.2.
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++)
        if (!isalnum(*byte) && strchr("!#$%&'*+-.^_`|~", *byte) == NULL) return false;
    return text[0] != '\0';
}

// Whether all readers understand a field name alike. libmicrohttpd takes `Content-Length : 5` for a header named
// `Content-Length `, and a folded line for part of the name before it; to other readers both are a length (RFC 9112,
// sections 5.1 and 5.2).
static bool is_sound_name(const char *name)
{
    static const char *const lengths[] = {"content-length", "transfer-encoding"};
    for (size_t index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
        size_t length = strlen(lengths[index]);
        if (strncasecmp(name, lengths[index], length) == 0 && name[length] != '\0') return false;
    }
    return is_token(name);
}

// MARK: Lines

// Whether libmicrohttpd leaves the lines of a request where they came, one after the other, with zeros where each name
// and each line ends. Versions 0.9 do; later ones check lines themselves.
static bool leaves_lines_in_place(void)
{
    return strverscmp(MHD_get_version(), "1.0") < 0;
}

// Notes where the next line begins: right behind the end of this one. If it does not, a zero has cut this line short,
// the line was folded, or some lines end in CR LF and others in LF alone, which other readers take for one line (RFC
// 9112, section 2.2, and RFC 9110, section 5.5).
static void end_line(framing *found, const char *next)
{
    size_t gap = (uintptr_t)next - (uintptr_t)found->end;
    if (found->line_end == 0) found->line_end = gap;
    if (gap < 1 || gap > 2 || gap != found->line_end) found->is_malformed = true;
}

// Checks the request line, and begins with the lines after it.
static void begin_lines(framing *found, const char *method, const char *version, const chttpshim_target *target)
{
    const char *byte = method + strlen(method) + 1;
    while (byte < target->text && *byte == ' ') byte++;
    if (!is_token(method) || byte != target->text || target->text + target->length + 1 != version)
        found->is_malformed = true;
    found->end = version + strlen(version);
}

// The headers end with an empty line. One that only begins with a zero is empty to libmicrohttpd, too.
static void end_lines(framing *found, const char *method, size_t size)
{
    size_t rest = (uintptr_t)(method + size) - (uintptr_t)found->end;
    bool is_whole = found->line_end == 0 ? rest == 2 || rest == 4 : rest == 2 * found->line_end;
    if (!is_whole) found->is_malformed = true;
}

// MARK: Headers

static void note_single(framing *found, const char *name, size_t length)
{
    for (unsigned index = 0; index < sizeof singles / sizeof singles[0]; index++) {
        if (length != singles[index].length || strcasecmp(name, singles[index].name) != 0) continue;
        if ((found->seen & 1U << index) != 0) found->repeated = singles[index].name;
        found->seen |= 1U << index;
    }
}

static bool is_number(const char *text)
{
    const char *byte = text;
    while (*byte >= '0' && *byte <= '9') byte++;
    return byte != text && *byte == '\0';
}

static enum MHD_Result note_header(
    void *context, enum MHD_ValueKind kind, const char *name, size_t name_length, const char *value, size_t length)
{
    (void)kind;
    framing *found = context;
    if (found->end != NULL) {
        end_line(found, name);
        found->end = value + length;
    }
    // A carriage return that ends no line ends one to some readers.
    if (!is_sound_name(name) || memchr(value, '\r', length) != NULL) found->is_malformed = true;
    note_single(found, name, name_length);
    switch (name[0] | 0x20) {
    case 'c':
        if (strcasecmp(name, "Content-Length") != 0) break;
        found->content_lengths++;
        if (!is_number(value)) found->has_bad_length = true;
        break;
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") != 0) break;
        found->transfer_encodings++;
        found->is_chunked = strcasecmp(value, "chunked") == 0;
        break;
    case 'h':
        if (strcasecmp(name, "Host") != 0) break;
        found->hosts++;
        if (!chttpshim_is_authority(value)) found->has_bad_host = true;
        break;
    default: break;
    }
    return MHD_YES;
}

static chttpshim_fault fault_of(const framing *found, const char *version, const chttpshim_target *target)
{
    if (found->is_malformed) return CHTTPSHIM_FAULT_MALFORMED;
    if (!target->is_sound) return CHTTPSHIM_FAULT_MALFORMED_TARGET;
    if (found->content_lengths + found->transfer_encodings > 1) return CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH;
    bool is_old = version != NULL && strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    if (found->transfer_encodings == 1 && (!found->is_chunked || is_old)) return CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH;
    if (found->has_bad_length) return CHTTPSHIM_FAULT_MALFORMED_LENGTH;
    bool needs_host = version != NULL && !is_old;
    if (found->hosts > 1 || found->has_bad_host || (found->hosts == 0 && needs_host))
        return CHTTPSHIM_FAULT_CONTRADICTORY_HOST;
    return CHTTPSHIM_FAULT_NONE;
}

chttpshim_framing chttpshim_framing_check(
    struct MHD_Connection *connection, const char *method, const char *version, const chttpshim_target *target)
{
    framing found = {0};
    bool checks_lines = method != NULL && leaves_lines_in_place();
    if (checks_lines) begin_lines(&found, method, version, target);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, note_header, &found);
    if (checks_lines) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
        end_lines(&found, method, info->header_size);
    }
    return (chttpshim_framing){.fault = fault_of(&found, version, target), .repeated = found.repeated};
}
