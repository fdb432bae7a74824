private import CAccess

/// A SHA-256 digest of a token or a header, keyed or not: 32 bytes.
package struct CredentialDigest: Hashable, Sendable {
    private let bytes: [UInt8]

    static let count = Int(CACCESS_DIGEST_BYTES)

    init(bytes: [UInt8]) { self.bytes = bytes }

    /// - Returns: `nil` if SHA-256 is not available.
    package init?(sha256 content: [UInt8]) {
        var digest = [UInt8](repeating: 0, count: Self.count)
        // Safe: both arrays are lent for the call, and hold the bytes that it reads and writes.
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

    /// Compares in a time that does not depend on where they differ.
    func isEqual(to other: CredentialDigest) -> Bool {
        // Safe: every digest has `count` bytes.
        unsafe caccess_digests_equal(bytes, other.bytes)
    }
}
