// The target of a request (RFC 9112, section 3.2).
#ifndef CHTTPSHIM_TARGET_H
#define CHTTPSHIM_TARGET_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    // As the request line has it up to the first zero; libmicrohttpd's, until the request is over.
    const char *text;
    size_t length;
    // Percent-decoded, without the query. Within `text`, or static.
    const char *path;
    // Within `text`; NULL unless the target is a whole URI.
    const char *authority;
    bool is_sound;
} chttpshim_target;

/// Notes the target before libmicrohttpd cuts off its query.
void chttpshim_target_begin(chttpshim_target *target, const char *text);

/// Finds the path, and the authority of a whole URI, and decodes the path, all in place. `text` is the target that was
/// begun, now without its query.
void chttpshim_target_take_apart(chttpshim_target *target, char *text);

/// Decodes percent signs in place, and returns the length. libmicrohttpd treats a path as a C string: with a zero
/// inside, "/%00anything" would be "/". A text with a zero becomes empty instead: such a path leads nowhere.
size_t chttpshim_unescape(char *text);

/// Whether a text has only characters of a host and a port (RFC 3986, section 3.2). Also true if it is empty.
bool chttpshim_is_authority(const char *text);

#endif
