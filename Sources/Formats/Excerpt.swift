/// What a sender wrote, fit to be shown in a message: at most 40 bytes, control characters escaped.
struct Excerpt: CustomStringConvertible {
    let description: String

    private static let limitBytes = 40

    init(_ text: some Collection<UInt8>) {
        var output = ""
        var bytes = 0
        // Decoding a few bytes more than are shown keeps the last character whole.
        for scalar in String(decoding: text.prefix(Self.limitBytes + 4), as: UTF8.self).unicodeScalars {
            bytes += UTF8.width(scalar)
            if bytes > Self.limitBytes { break }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: output += Self.escaped(scalar)
            default: output.unicodeScalars.append(scalar)
            }
        }
        description = text.count > Self.limitBytes ? output + "…" : output
    }

    /// As JSON escapes it, so that the sender can find it.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        UTF16.encode(scalar).map { units in
            units.map { unit in
                let digits = String(unit, radix: 16)
                return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            }.joined()
        } ?? ""
    }
}
