/// The header `Idempotency-Key`, from which the records of a body without an id get one: `K/0`, `K/1` and so on.
package struct IdempotencyKey: Sendable {
    let text: String

    private static let lengths = 1...200

    /// - Parameter header: the value, with or without the quotes of a structured field (RFC 8941, section 3.3.3).
    /// - Returns: `nil` unless 1 to 200 bytes of UTF-8 are left without them; the request is then answered with 400.
    package init?(header: String) {
        // Bytes that are not UTF-8 arrive as U+FFFD: two keys that differ only there would look the same.
        guard !header.unicodeScalars.contains("\u{FFFD}") else { return nil }
        let bytes = header.utf8
        let quote = UInt8(ascii: "\"")
        let isQuoted = bytes.count >= 2 && bytes.first == quote && bytes.last == quote
        let key = isQuoted ? header.utf8.dropFirst().dropLast() : header.utf8[...]
        guard Self.lengths.contains(key.count) else { return nil }
        text = String(decoding: key, as: UTF8.self)
    }
}
