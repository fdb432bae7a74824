/// A span, unique among all traces (specification of OTLP, "JSON Protobuf Encoding", has its digits).
struct SpanID: Hashable {
    let trace: UInt128
    let span: UInt64

    /// - Returns: `nil` if either number is 0, which is none.
    init?(trace: UInt128, span: UInt64) {
        guard trace != 0, span != 0 else { return nil }
        self.trace = trace
        self.span = span
    }

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

extension FixedWidthInteger where Self: UnsignedInteger {
    /// The number that the bytes of an id are; 0, which is none, if their count is wrong.
    init(idBytes bytes: BorrowedBytes) {
        self = bytes.count * 8 == Self.bitWidth ? bytes.reduce(0) { $0 << 8 | Self($1) } : 0
    }

    /// The same of an id in JSON, which is hexadecimal digits.
    init(idDigits digits: BorrowedBytes) {
        self = 0
        guard digits.count * 4 == Self.bitWidth else { return }
        var number: Self = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | Self(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | Self(digit - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"): number = number << 4 | Self(digit - UInt8(ascii: "A") + 10)
            default: return
            }
        }
        self = number
    }
}
