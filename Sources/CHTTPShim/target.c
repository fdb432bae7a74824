#include "target.h"

#include <ctype.h>
#include <microhttpd.h>
#include <string.h>
#include <strings.h>

void chttpshim_target_begin(chttpshim_target *target, const char *text)
{
    *target = (chttpshim_target){.text = text, .length = strlen(text), .path = text, .is_sound = true};
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++)
        if (*byte <= ' ' || *byte == 0x7F) target->is_sound = false;
}

// The bytes of a scheme and the slashes after it; 0 if there is no scheme that a client of ours could mean.
static size_t scheme_length(const char *text)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t index = 0; index < sizeof schemes / sizeof schemes[0]; index++) {
        size_t length = strlen(schemes[index]);
        if (strncasecmp(text, schemes[index], length) == 0) return length;
    }
    return 0;
}

size_t chttpshim_unescape(char *text)
{
    size_t length = MHD_http_unescape(text);
    if (memchr(text, '\0', length) == NULL) return length;
    text[0] = '\0';
    return 0;
}

void chttpshim_target_take_apart(chttpshim_target *target, char *text)
{
    size_t scheme = scheme_length(text);
    if (scheme == 0) {
        // `*` asks about the server as a whole. The form without a slash is for proxies.
        if (text[0] != '/' && strcmp(text, "*") != 0) target->is_sound = false;
        chttpshim_unescape(text);
        return;
    }
    size_t length = strcspn(text + scheme, "/");
    char *path = text + scheme + length;
    bool has_path = *path == '/';
    // Moved over a slash of the scheme: that leaves a byte for its zero, before the path.
    char *authority = text + scheme - 1;
    memmove(authority, text + scheme, length);
    authority[length] = '\0';
    if (length == 0 || !chttpshim_is_authority(authority)) target->is_sound = false;
    target->authority = authority;
    target->path = has_path ? path : "/";
    if (has_path) chttpshim_unescape(path);
}

bool chttpshim_is_authority(const char *text)
{
    for (const unsigned char *byte = (const unsigned char *)text; *byte != '\0'; byte++)
        if (!isalnum(*byte) && strchr("-._~!$&'()*+,;=:%[]", *byte) == NULL) return false;
    return true;
}
