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

extension OTLPEncoding {
    /// The number that an id's bytes are; `nil` for none, for zeros, and for another length.
    ///
    /// In JSON the ids are hexadecimal digits, which protobuf's parser takes for base64: four of them became three bytes,
    /// and nothing is lost.
    func number<Number: FixedWidthInteger & UnsignedInteger>(_ bytes: some Collection<UInt8>, as: Number.Type)
        -> Number?
    {
        let size = Number.bitWidth / 8
        let number: Number?
        switch self {
        case .protobuf:
            number = bytes.count == size ? bytes.reduce(0) { $0 << 8 | Number($1) } : nil
        case .json:
            guard bytes.count * 4 == size * 2 * 3 else { return nil }
            let digits = Base64.text(of: bytes)
            // Alone, `+` stands in both: as a digit there, as a sign here.
            number = digits.hasPrefix("+") ? nil : Number(digits, radix: 16)
        }
        return number == 0 ? nil : number
    }
}

/// RFC 4648, section 4.
enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// - Parameter bytes: whole groups of three.
    static func text(of bytes: some Collection<UInt8>) -> String {
        var text: [UInt8] = []
        var group: UInt32 = 0
        for (place, byte) in bytes.enumerated() {
            group = group << 8 | UInt32(byte)
            guard place % 3 == 2 else { continue }
            for shift in [18, 12, 6, 0] as [UInt32] { text.append(digits[Int(group >> shift & 63)]) }
            group = 0
        }
        return String(decoding: text, as: UTF8.self)
    }
}
