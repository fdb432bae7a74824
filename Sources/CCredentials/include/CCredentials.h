// What checking a password or a token takes of libcrypt and GnuTLS.
#ifndef CCREDENTIALS_H
#define CCREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LLMCRED_DIGEST_BYTES = 32 };

/// Whether `password` is that of a hash that crypt(5) knows. Takes as long as the hash asks for; keeps no state.
bool llmcred_matches(const char *password, const char *hash);

/// SHA-256 (FIPS 180-4).
void llmcred_digest(const void *bytes, size_t length, uint8_t digest[LLMCRED_DIGEST_BYTES]);

/// HMAC-SHA-256 (RFC 2104).
void llmcred_keyed_digest(
    const uint8_t key[LLMCRED_DIGEST_BYTES], const void *bytes, size_t length, uint8_t digest[LLMCRED_DIGEST_BYTES]);

/// Whether two digests are the same, in a time that does not tell where they differ.
bool llmcred_digests_equal(const uint8_t left[LLMCRED_DIGEST_BYTES], const uint8_t right[LLMCRED_DIGEST_BYTES]);

/// Bytes that nobody can foresee.
void llmcred_random(uint8_t bytes[LLMCRED_DIGEST_BYTES]);

/// The bytes that `text` is the Base64 of (RFC 4648, section 4), at most three quarters of its length.
///
/// Returns their number, or -1 where it is no Base64 or does not fit.
long llmcred_decode_base64(const void *text, size_t length, void *decoded, size_t capacity);

#endif
