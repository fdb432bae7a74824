// See CAccess.h.

#include "CAccess.h"

#include <crypt.h>
#include <ctype.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(CACCESS_DIGEST_BYTES == 32, "SHA-256");

bool caccess_bcrypt_matches(const char *password, const char *hash)
{
    void *scratch = NULL;
    int size = 0;
    const char *made = crypt_ra(password, hash, &scratch, &size);
    size_t length = strlen(hash);
    bool matches = made != NULL && strlen(made) == length && gnutls_memcmp(made, hash, length) == 0;
    if (scratch != NULL) {
        // It held the password.
        explicit_bzero(scratch, (size_t)size);
        free(scratch);
    }
    return matches;
}

bool caccess_sha256(const void *bytes, size_t length, uint8_t *digest)
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, length, digest) == 0;
}

bool caccess_hmac(const uint8_t *key, const void *bytes, size_t length, uint8_t *digest)
{
    return gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, CACCESS_DIGEST_BYTES, bytes, length, digest) == 0;
}

bool caccess_digests_equal(const uint8_t *left, const uint8_t *right)
{
    return gnutls_memcmp(left, right, CACCESS_DIGEST_BYTES) == 0;
}

bool caccess_random(void *bytes, size_t length)
{
    return gnutls_rnd(GNUTLS_RND_KEY, bytes, length) == 0;
}

// GnuTLS leaves out white space, and reads nothing behind a hyphen, as in PEM files. Two spellings of one password
// would take two entries of a cache.
static bool is_base64(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] == '=') length--;
    for (size_t index = 0; index < length; index++) {
        unsigned char byte = (unsigned char)text[index];
        if (!isascii(byte) || (!isalnum(byte) && byte != '+' && byte != '/')) return false;
    }
    return true;
}

ptrdiff_t caccess_base64(const char *text, size_t length, uint8_t *bytes)
{
    if (length > UINT_MAX || !is_base64(text, length)) return -1;
    gnutls_datum_t encoded = {.data = (unsigned char *)text, .size = (unsigned)length}, decoded;
    if (gnutls_base64_decode2(&encoded, &decoded) != 0) return -1;
    ptrdiff_t count = decoded.size <= length ? (ptrdiff_t)decoded.size : -1;
    if (count > 0) memcpy(bytes, decoded.data, decoded.size);
    explicit_bzero(decoded.data, decoded.size);
    gnutls_free(decoded.data);
    return count;
}
