/// A span's id with its trace's: unique among all spans.
package struct SpanID: Hashable, Sendable {
    package let trace: UInt128
    package let span: UInt64

    /// - Returns: `nil` if either number is 0, which is none.
    package init?(trace: UInt128, span: UInt64) {
        guard trace != 0, span != 0 else { return nil }
        self.trace = trace
        self.span = span
    }

    /// 32 hexadecimal digits (specification of OTLP, "JSON Protobuf Encoding").
    package var traceText: String {
        Self.hexadecimal(UInt64(truncatingIfNeeded: trace >> 64)) + Self.hexadecimal(UInt64(truncatingIfNeeded: trace))
    }
    /// 32 digits of the trace, a hyphen, 16 of the span.
    package var text: String { traceText + "-" + Self.hexadecimal(span) }

    private static func hexadecimal(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
