private import CAccess

/// A random key for digests: a digest that it made cannot be computed without it.
package struct DigestKey: Sendable {
    private let bytes: [UInt8]

    /// - Returns: `nil` if the system gives no random bytes.
    package init?() {
        var key = [UInt8](repeating: 0, count: CredentialDigest.count)
        // Safe: the array is lent for the call, which fills it.
        guard unsafe caccess_random(&key, key.count) else { return nil }
        bytes = key
    }

    /// - Returns: `nil` if HMAC-SHA-256 is not available.
    package func digest(of content: [UInt8]) -> CredentialDigest? {
        var digest = [UInt8](repeating: 0, count: CredentialDigest.count)
        // Safe: all arrays are lent for the call; the key and the digest have the bytes that it expects.
        guard unsafe caccess_hmac(bytes, content, content.count, &digest) else { return nil }
        return CredentialDigest(bytes: digest)
    }
}
