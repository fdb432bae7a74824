// Functions of libcrypt (bcrypt) and GnuTLS (digests, random bytes, Base64) that check credentials, with plain
// pointers: struct crypt_data and gnutls_datum_t are awkward from Swift.
#ifndef CACCESS_H
#define CACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CACCESS_DIGEST_BYTES = 32 };

/// Whether `password` has the bcrypt hash `hash`. Takes the time of the hash's cost, whatever the outcome. From any
/// thread.
bool caccess_bcrypt_matches(const char *password, const char *hash);

/// Writes the SHA-256 digest of `length` bytes; false if GnuTLS fails.
bool caccess_sha256(const void *bytes, size_t length, uint8_t *digest);

/// Writes the HMAC-SHA-256 of `length` bytes under a key of CACCESS_DIGEST_BYTES; false if GnuTLS fails.
bool caccess_hmac(const uint8_t *key, const void *bytes, size_t length, uint8_t *digest);

/// Whether two digests are equal, in a time that does not depend on where they differ.
bool caccess_digests_equal(const uint8_t *left, const uint8_t *right);

/// Fills `bytes` with random bytes that cannot be guessed; false if the system gives none.
bool caccess_random(void *bytes, size_t length);

/// Decodes Base64 (RFC 4648, section 4) into `bytes`, which has room for `length` bytes. Returns their count, or -1.
ptrdiff_t caccess_base64(const char *text, size_t length, uint8_t *bytes);

#endif
