/// The address of an HTTP server, from the text that a user gave.
///
/// User and password are kept apart: `text` may stand in requests, files and messages.
package struct HTTPAddress: Equatable, Sendable {
    /// `http://` or `https://`, host, port and path, without user and password and without a slash at its end.
    package let text: String
    let user: User?

    struct User: Equatable, Sendable {
        let name: String
        let password: String
    }

    /// - Parameter url: `http://` or `https://`, perhaps a user and password, host, port, perhaps a path; no query.
    /// - Throws: `HTTPClientError.invalidAddress`, which shows no part of `url`: in a text that is no address, any part
    ///   may be a password.
    package init(_ url: String) throws(HTTPClientError) {
        let isPlain = url.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        guard isPlain else { throw .invalidAddress(reason: "a control character or space in it; remove it") }
        guard let scheme = ["http://", "https://"].first(where: { url.lowercased().utf8.starts(with: $0.utf8) }) else {
            throw .invalidAddress(reason: "not an http:// or https:// address; write it as http://HOST:PORT")
        }
        let rest = url.utf8.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { !Self.endsAuthority.contains($0) }
        var path = rest[authority.endIndex...]
        while path.last == UInt8(ascii: "/") { path.removeLast() }
        let separator = authority.lastIndex(of: UInt8(ascii: "@"))
        let host = separator.map { authority[authority.index(after: $0)...] } ?? authority
        try Self.check(host: host)
        guard !path.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else {
            throw .invalidAddress(reason: "it has a query or fragment; write it as http://HOST:PORT")
        }
        // The slash before it may be one of the password that was not encoded.
        guard !path.contains(UInt8(ascii: "@")) else {
            throw .invalidAddress(reason: "an @ in its path; write it as %40, and a slash in a password as %2F")
        }
        text = scheme + String(Substring(host)) + String(Substring(path))
        user = try separator.map { at throws(HTTPClientError) in try Self.user(authority[..<at]) } ?? nil
    }

    /// The bytes that end the authority (RFC 3986, section 3.2).
    private static let endsAuthority = "/?#".utf8

    /// The text without what stands before its last `@`, from the first `://`, quote or equals sign on: for messages
    /// that may quote an address, or something that was meant to be one.
    package static func withoutUsers(_ text: String) -> String {
        guard let at = text.lastIndex(of: "@") else { return text }
        let before = text[..<at]
        let start =
            before.firstRange(of: "://")?.upperBound
            ?? before.firstIndex { "'\"=".contains($0) }.map(text.index(after:)) ?? text.startIndex
        return text[..<start] + "…" + text[at...]
    }

    /// Takes a host name or address (in brackets if IPv6), and perhaps a port.
    private static func check(host text: Substring.UTF8View) throws(HTTPClientError) {
        let isAddress = text.first == UInt8(ascii: "[")
        let end = isAddress ? text.lastIndex(of: UInt8(ascii: "]")).map(text.index(after:)) : nil
        let port = text[(end ?? text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex)...]
        let host = text[..<port.startIndex]
        guard !host.isEmpty else {
            throw .invalidAddress(reason: "it names no host; write it as http://HOST:PORT")
        }
        let isHost =
            isAddress
            // The colons of IPv6, and the zone after %25 (RFC 6874).
            ? end != nil && host.dropFirst().dropLast().allSatisfy { isOfName($0) || $0 == 0x3A || $0 == 0x25 }
            : host.allSatisfy(isOfName)
        guard isHost else {
            throw .invalidAddress(reason: "its host is neither a name nor an address; write it as http://HOST:PORT")
        }
        guard port.isEmpty || (2...6).contains(port.count) && port.dropFirst().allSatisfy(isDigit),
            port.isEmpty || port.first == UInt8(ascii: ":")
        else { throw .invalidAddress(reason: "its port is not a number; write it as http://HOST:PORT") }
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    /// Whether the byte may stand in the name of a host, which may also be an international one.
    private static func isOfName(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) || byte >= 0x80
            || "-._~".utf8.contains(byte)
    }

    /// - Returns: `nil` if it is empty.
    private static func user(_ text: Substring.UTF8View) throws(HTTPClientError) -> User? {
        guard !text.isEmpty else { return nil }
        let name = text.prefix { $0 != UInt8(ascii: ":") }
        return User(name: try decoded(name), password: try decoded(text[name.endIndex...].dropFirst()))
    }

    /// Undoes percent encoding.
    private static func decoded(_ text: Substring.UTF8View) throws(HTTPClientError) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2)
            rest = rest.dropFirst(2)
            guard digits.count == 2, digits.first != UInt8(ascii: "+"),
                let value = UInt8(Substring(digits), radix: 16), value >= 0x20, value != 0x7F
            else {
                throw .invalidAddress(
                    reason: "a % in its user or password that encodes no printable byte; write a % itself as %25")
            }
            bytes.append(value)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
