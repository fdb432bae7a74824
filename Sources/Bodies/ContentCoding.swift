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
    package func decode(_ body: PaddedBytes, limit: Int) throws(Failure) -> PaddedBytes {
        var block = unsafe ccontentcoding_block()
        let result = unsafe body.withUnsafeBytes { bytes in
            switch self {
            case .gzip, .deflate:
                unsafe ccontentcoding_inflate(
                    bytes.baseAddress, bytes.count, self == .gzip, limit, PaddedBytes.padding, &block)
            case .zstd:
                unsafe ccontentcoding_unzstd(bytes.baseAddress, bytes.count, limit, PaddedBytes.padding, &block)
            }
        }
        switch result {
        case CCONTENTCODING_OK:
            return unsafe PaddedBytes(adoptingMapping: block.bytes, of: block.mapped_length, count: block.length)
        case CCONTENTCODING_TOO_LARGE: throw .tooLarge
        case CCONTENTCODING_OUT_OF_MEMORY: throw .outOfMemory
        default: throw .malformed
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
