// Content-Length, Transfer-Encoding and Host: at most one of each.

#include "framing.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

typedef struct {
    unsigned content_lengths;
    unsigned transfer_encodings;
    unsigned hosts;
    bool is_chunked;
    bool is_malformed;
} framing;

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
    // The characters of a token (RFC 9110, section 5.6.2).
    for (const unsigned char *byte = (const unsigned char *)name; *byte != '\0'; byte++)
        if (!isalnum(*byte) && strchr("!#$%&'*+-.^_`|~", *byte) == NULL) return false;
    return true;
}

static enum MHD_Result count_framing(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    framing *found = context;
    if (!is_sound_name(name)) found->is_malformed = true;
    switch (name[0] | 0x20) {
    case 'c':
        if (strcasecmp(name, "Content-Length") == 0) found->content_lengths++;
        break;
    case 't':
        if (strcasecmp(name, "Transfer-Encoding") == 0) {
            found->transfer_encodings++;
            found->is_chunked = value != NULL && strcasecmp(value, "chunked") == 0;
        }
        break;
    case 'h':
        if (strcasecmp(name, "Host") == 0) found->hosts++;
        break;
    default: break;
    }
    return MHD_YES;
}

chttpshim_fault chttpshim_framing_fault(struct MHD_Connection *connection, const char *version)
{
    framing found = {0};
    MHD_get_connection_values(connection, MHD_HEADER_KIND, count_framing, &found);
    bool is_old = strcmp(version, MHD_HTTP_VERSION_1_1) != 0;
    if (found.is_malformed || found.content_lengths + found.transfer_encodings > 1
        || (found.transfer_encodings == 1 && (!found.is_chunked || is_old)))
        return CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH;
    if (found.hosts > 1) return CHTTPSHIM_FAULT_CONTRADICTORY_HOST;
    return CHTTPSHIM_FAULT_NONE;
}
