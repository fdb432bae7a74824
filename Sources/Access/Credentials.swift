private import CAccess

/// The credentials in an `Authorization` header.
package enum Credentials: Sendable, Equatable {
    /// RFC 7617.
    case basic(user: String, password: String)
    /// RFC 6750.
    case bearer(token: String)

    /// The longest header that is read, in bytes.
    package static let limitBytes = 4096

    /// - Returns: `nil` for another scheme, and for a malformed header: without a colon, with a zero byte, not Base64,
    ///   not UTF-8, too long.
    package init?(header: String) {
        guard header.utf8.count <= Self.limitBytes, let space = header.firstIndex(of: " ") else { return nil }
        let scheme = header[..<space].lowercased()
        let rest = String(header[space...].drop { $0 == " " })
        switch scheme {
        case "bearer":
            guard !rest.isEmpty, !rest.utf8.contains(0) else { return nil }
            self = .bearer(token: rest)
        case "basic":
            guard let bytes = Self.decoded(rest), !bytes.contains(0),
                let text = String(validating: bytes, as: UTF8.self),
                let colon = text.utf8.firstIndex(of: UInt8(ascii: ":"))
            else { return nil }
            self = .basic(user: String(text[..<colon]), password: String(text[text.utf8.index(after: colon)...]))
        default: return nil
        }
    }

    private static func decoded(_ base64: String) -> [UInt8]? {
        guard !base64.isEmpty else { return nil }
        var bytes = [UInt8](repeating: 0, count: base64.utf8.count)
        // Safe: decoding makes a text shorter, and the call writes no more bytes than the text has.
        let count = unsafe caccess_base64(base64, base64.utf8.count, &bytes)
        return count < 0 ? nil : Array(bytes[..<count])
    }
}
