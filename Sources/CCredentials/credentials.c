#include "CCredentials.h"

#include <crypt.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

bool llmcred_matches(const char *password, const char *hash)
{
    // 32 kB: too much for the stack of any thread.
    struct crypt_data *data = calloc(1, sizeof *data);
    if (data == NULL) return false;
    const char *result = crypt_r(password, hash, data);
    // On failure a text that is no hash, such as "*0".
    bool is_match = result != NULL && strlen(result) == strlen(hash) && gnutls_memcmp(result, hash, strlen(hash)) == 0;
    gnutls_memset(data, 0, sizeof *data);
    free(data);
    return is_match;
}

// GnuTLS fails here only where it cannot work at all: nobody may come in by that.

void llmcred_digest(const void *bytes, size_t length, uint8_t digest[LLMCRED_DIGEST_BYTES])
{
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, length, digest) < 0) abort();
}

void llmcred_keyed_digest(
    const uint8_t key[LLMCRED_DIGEST_BYTES], const void *bytes, size_t length, uint8_t digest[LLMCRED_DIGEST_BYTES])
{
    if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, LLMCRED_DIGEST_BYTES, bytes, length, digest) < 0) abort();
}

bool llmcred_digests_equal(const uint8_t left[LLMCRED_DIGEST_BYTES], const uint8_t right[LLMCRED_DIGEST_BYTES])
{
    return gnutls_memcmp(left, right, LLMCRED_DIGEST_BYTES) == 0;
}

void llmcred_random(uint8_t bytes[LLMCRED_DIGEST_BYTES])
{
    if (gnutls_rnd(GNUTLS_RND_KEY, bytes, LLMCRED_DIGEST_BYTES) < 0) abort();
}

long llmcred_decode_base64(const void *text, size_t length, void *decoded, size_t capacity)
{
    gnutls_datum_t encoded = {(unsigned char *)text, (unsigned)length};
    gnutls_datum_t bytes = {NULL, 0};
    if (length > 65536 || gnutls_base64_decode2(&encoded, &bytes) < 0) return -1;
    long count = bytes.size <= capacity ? (long)bytes.size : -1;
    if (count > 0) memcpy(decoded, bytes.data, bytes.size);
    gnutls_memset(bytes.data, 0, bytes.size);
    gnutls_free(bytes.data);
    return count;
}
