private import CAccess

/// A SHA-256 digest, keyed or not: 32 bytes.
package struct Digest: Hashable, Sendable {
    private let bytes: [UInt8]

    static let count = Int(CACCESS_DIGEST_BYTES)

    fileprivate init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// - Returns: `nil` where there is no SHA-256.
    package init?(sha256 content: [UInt8]) {
        var digest = [UInt8](repeating: 0, count: Self.count)
        guard unsafe caccess_sha256(content, content.count, &digest) else { return nil }
        bytes = digest
    }

    /// - Parameter hex: 64 hexadecimal digits, as sha256sum prints them.
    package init?(hex: String) {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 2 * Self.count, hex.utf8.count == digits.count else { return nil }
        bytes = (0..<Self.count).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
    }

    var leadingByte: UInt8 { bytes[0] }

    /// In a time that does not tell where they differ.
    func isEqual(to other: Digest) -> Bool {
        unsafe caccess_digests_equal(bytes, other.bytes)
    }
}

/// A random key: what is kept under its digests cannot be looked up by anybody who does not have it.
package struct DigestKey: Sendable {
    private let bytes: [UInt8]

    /// - Returns: `nil` where the system has no randomness.
    package init?() {
        var key = [UInt8](repeating: 0, count: Digest.count)
        guard unsafe caccess_random(&key, key.count) else { return nil }
        bytes = key
    }

    /// - Returns: `nil` where there is no HMAC-SHA-256.
    package func digest(of content: [UInt8]) -> Digest? {
        var digest = [UInt8](repeating: 0, count: Digest.count)
        guard unsafe caccess_hmac(bytes, content, content.count, &digest) else { return nil }
        return Digest(digest)
    }
}
