/// The layout of the records in a body, as its Content-Type gives it.
package enum BodyFormat: Sendable {
    /// One object or an array of them. Newline-delimited JSON under this name is recognised.
    case json
    /// One object a line.
    case ndjson

    /// - Parameter contentType: the header's value; if there is none, or it is empty, the body counts as JSON.
    /// - Returns: `nil` for a media type that is neither; the request is then answered with 415.
    package init?(contentType: String?) {
        // The form that nearly all senders use.
        if contentType == "application/json" {
            self = .json
            return
        }
        // Parameters are ignored: JSON is always UTF-8 (RFC 8259, section 8.1).
        let mediaType = (contentType ?? "").prefix { $0 != ";" }
            .drop { $0 == " " || $0 == "\t" }
            .lowercased()
        let name = mediaType.prefix { $0 != " " && $0 != "\t" }
        guard mediaType.dropFirst(name.count).allSatisfy({ $0 == " " || $0 == "\t" }) else { return nil }
        switch name {
        case "", "application/json": self = .json
        case "application/x-ndjson", "application/jsonl": self = .ndjson
        default:
            let prefix = "application/"
            let suffix = "+json"
            guard name.hasPrefix(prefix), name.hasSuffix(suffix), name.count > prefix.count + suffix.count else {
                return nil
            }
            self = .json
        }
    }
}
