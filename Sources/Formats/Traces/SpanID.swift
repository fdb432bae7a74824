/// A span, in all traces there are (specification of OTLP, "JSON Protobuf Encoding", for its digits).
struct SpanID: Hashable {
    let trace: UInt128
    let span: UInt64

    /// 32 hexadecimal digits.
    var traceText: String {
        Self.hexadecimal(UInt64(truncatingIfNeeded: trace >> 64)) + Self.hexadecimal(UInt64(truncatingIfNeeded: trace))
    }
    /// 32 digits of the trace, a hyphen, 16 of the span.
    var text: String { traceText + "-" + Self.hexadecimal(span) }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

extension SpanID {
    /// - Returns: `nil` where either number is none.
    init?(trace: UInt128?, span: UInt64?) {
        guard let trace, let span else { return nil }
        self.init(trace: trace, span: span)
    }
}

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number that an id's bytes are; `nil` for none, for zeros, and for another length.
    init?(idBytes bytes: some Collection<UInt8>) {
        guard bytes.count * 8 == Self.bitWidth else { return nil }
        self = bytes.reduce(0) { $0 << 8 | Self($1) }
        if self == 0 { return nil }
    }

    /// The same of an id in JSON, which is hexadecimal digits.
    init?(idDigits digits: some Collection<UInt8>) {
        // What is one digit may be a sign to the parser.
        guard digits.count * 4 == Self.bitWidth, digits.first != UInt8(ascii: "+"),
            let number = Self(String(decoding: digits, as: UTF8.self), radix: 16), number != 0
        else { return nil }
        self = number
    }
}
