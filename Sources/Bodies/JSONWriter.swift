import Model

/// Writes JSON. Not by an encoder, because money must come out as the exact decimal, not as a `Double`.
package struct JSONWriter {
    package private(set) var bytes: [UInt8] = []
    /// Whether the next value or key needs a comma before it.
    private var needsComma = false

    package init() {}

    /// The text as the body of an answer. It ends with a line feed, so that a terminal's prompt begins on a new line.
    package var line: [UInt8] { bytes + [UInt8(ascii: "\n")] }

    package mutating func object(_ body: (inout JSONWriter) -> Void) { nest("{", "}", body) }

    package mutating func array(_ body: (inout JSONWriter) -> Void) { nest("[", "]", body) }

    package mutating func key(_ name: String) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    package mutating func string(_ text: String) {
        separate()
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 { JSONEscape.append(byte, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    package mutating func boolean(_ value: Bool) {
        separate()
        bytes.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func null() {
        separate()
        bytes.append(contentsOf: "null".utf8)
    }

    package mutating func number(_ value: some BinaryInteger) { number(Int128(value), scale: 0) }

    /// `value` x 10^-scale, exact.
    package mutating func number(_ value: Int128, scale: Int) {
        separate()
        PlainDecimal.append(value, scale: scale, to: &bytes)
    }

    private mutating func nest(_ open: Unicode.Scalar, _ close: Unicode.Scalar, _ body: (inout JSONWriter) -> Void) {
        separate()
        bytes.append(UInt8(ascii: open))
        needsComma = false
        body(&self)
        bytes.append(UInt8(ascii: close))
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }
}
