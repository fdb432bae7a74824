private import CContentCoding

/// Content codings (RFC 9110, section 8.4) over whole bodies, both ways.
package enum ContentCoding: String, Sendable, CaseIterable {
    case gzip
    case deflate
    case zstd

    /// Why a body could not be decoded.
    package enum Failure: Error, Sendable {
        /// Not of this coding, cut short, or followed by something else.
        case malformed
        /// Larger than the limit once decoded.
        case tooLarge
        case outOfMemory
        /// The client's share of the memory has no room for it.
        case noRoom
    }

    /// - Parameter token: of Content-Encoding, in any case; `x-gzip` is gzip (RFC 9110, section 8.4.1.3).
    package init?(token: String) {
        let token = token.lowercased()
        self.init(rawValue: token == "x-gzip" ? "gzip" : token)
    }

    /// The codings that a Content-Encoding names, in the order in which they were applied. Empty elements are ignored
    /// (RFC 9110, section 5.6.1.2), and so is `identity`.
    ///
    /// - Returns: `nil` if one is not known.
    package static func list(_ header: String) -> [ContentCoding]? {
        var codings: [ContentCoding] = []
        for element in header.split(separator: ",") {
            var token = element.drop { $0 == " " || $0 == "\t" }
            while token.last == " " || token.last == "\t" { token.removeLast() }
            guard !token.isEmpty, token.lowercased() != "identity" else { continue }
            guard let coding = ContentCoding(token: String(token)) else { return nil }
            codings.append(coding)
        }
        return codings
    }

    /// Decodes at most `limit` bytes; memory grows by no more than that, whatever the body claims to be.
    ///
    /// - Parameter share: grows with the decoded bytes, and is held by them; `nil` for small bodies.
    package func decode(
        _ body: PaddedBytes, limit: Int, share: (any MemoryShare)? = nil
    ) throws(Failure) -> PaddedBytes {
        var block = unsafe ccontentcoding_block()
        let result = unsafe body.withUnsafeBytes { bytes in
            unsafe Self.withAccount(of: share) { account in
                switch self {
                case .gzip, .deflate:
                    unsafe ccontentcoding_inflate(
                        bytes.baseAddress, bytes.count, self == .gzip, limit, PaddedBytes.padding, account, &block)
                case .zstd:
                    unsafe ccontentcoding_unzstd(
                        bytes.baseAddress, bytes.count, limit, PaddedBytes.padding, account, &block)
                }
            }
        }
        switch result {
        case CCONTENTCODING_OK:
            return unsafe PaddedBytes(
                adoptingMapping: block.bytes, of: block.mapped_length, count: block.length, owner: share)
        case CCONTENTCODING_TOO_LARGE: throw .tooLarge
        case CCONTENTCODING_OUT_OF_MEMORY: throw .outOfMemory
        case CCONTENTCODING_NO_ROOM: throw .noRoom
        default: throw .malformed
        }
    }

    private static func withAccount<Result>(
        of share: (any MemoryShare)?, _ body: (UnsafePointer<ccontentcoding_account>?) -> Result
    ) -> Result {
        guard let share else { return body(nil) }
        // Safe: the share is lent to the closure, which ends before this returns.
        return unsafe withUnsafePointer(to: share) { share in
            var account = unsafe ccontentcoding_account(
                add: { share, bytes in
                    unsafe share?.assumingMemoryBound(to: (any MemoryShare).self).pointee.grow(by: bytes) ?? true
                }, context: share)
            return unsafe body(&account)
        }
    }

    /// The codings that answers are offered in, the preferred first.
    package static let offered: [ContentCoding] = [.zstd, .gzip]

    /// Encodes for speed: an answer is read once. `nil` if memory is short or the coding is not offered.
    package func encode(_ body: [UInt8]) -> [UInt8]? {
        // Safe: the bytes are copied while the closure runs.
        encodedInPlace(body).map { encoded in unsafe encoded.withUnsafeBytes { unsafe Array($0) } }
    }

    /// The same without a copy: the result has no padding.
    package func encodedInPlace(_ body: [UInt8]) -> PaddedBytes? {
        var block = unsafe ccontentcoding_block()
        let result = unsafe body.withUnsafeBytes { bytes in
            switch self {
            case .gzip: unsafe ccontentcoding_gzip(bytes.baseAddress, bytes.count, &block)
            case .zstd: unsafe ccontentcoding_zstd(bytes.baseAddress, bytes.count, &block)
            case .deflate: CCONTENTCODING_MALFORMED
            }
        }
        guard result == CCONTENTCODING_OK else { return nil }
        return unsafe PaddedBytes(adoptingMapping: block.bytes, of: block.mapped_length, count: block.length)
    }
}
