/// The beginning of what a sender wrote, copied, so that a message can show it after the body is gone.
///
/// Its message text has at most 40 bytes; control characters are escaped.
struct Excerpt: CustomStringConvertible, Sendable {
    private var bytes = InlineArray<44, UInt8>(repeating: 0)
    private let copied: Int
    private let isClipped: Bool

    private static let limitBytes = 40

    // Not inlined: faults are rare, and this code would slow down the reading of each field.
    @inline(never)
    init(_ text: BorrowedBytes) {
        // A few bytes more than are shown keep the last character whole.
        copied = Swift.min(text.count, bytes.count)
        isClipped = text.count > Self.limitBytes
        for place in 0..<copied { bytes[place] = text[place] }
    }

    var description: String {
        var output = ""
        var shown = 0
        for scalar in String(decoding: (0..<copied).map { bytes[$0] }, as: UTF8.self).unicodeScalars {
            shown += UTF8.width(scalar)
            if shown > Self.limitBytes { break }
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator: output += Self.escaped(scalar)
            default: output.unicodeScalars.append(scalar)
            }
        }
        return isClipped ? output + "…" : output
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
