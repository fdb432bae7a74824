/// Text of exact numbers as docs/metrics.md prints them: plain decimals, no exponent, no trailing zeros.
package enum PlainDecimal {
    /// Appends `value` x 10^-scale.
    ///
    /// - Parameter keepsPoint: whether a whole number is written with `.0`, as `le` is.
    package static func append(
        _ value: Int128, scale: Int = 0, keepsPoint: Bool = false, to output: inout [UInt8]
    ) {
        if value < 0 { output.append(UInt8(ascii: "-")) }
        // Division of 64 bits is several times faster than of 128, and most totals fit.
        if let small = UInt64(exactly: value.magnitude) {
            appendMagnitude(small, scale: scale, keepsPoint: keepsPoint, to: &output)
        } else {
            appendMagnitude(value.magnitude, scale: scale, keepsPoint: keepsPoint, to: &output)
        }
    }

    /// The same as text.
    package static func text(_ value: Int128, scale: Int = 0, keepsPoint: Bool = false) -> String {
        var bytes: [UInt8] = []
        append(value, scale: scale, keepsPoint: keepsPoint, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func appendMagnitude<Magnitude: FixedWidthInteger & UnsignedInteger>(
        _ magnitude: Magnitude, scale: Int, keepsPoint: Bool, to output: inout [UInt8]
    ) {
        // Built from the last digit to the first, because zeros at the end are the ones to leave out.
        let start = output.count
        var rest = magnitude
        func nextDigit() -> UInt8 {
            let (quotient, remainder) = rest.quotientAndRemainder(dividingBy: 10)
            rest = quotient
            return UInt8(ascii: "0") + UInt8(truncatingIfNeeded: remainder)
        }
        for _ in 0..<scale {
            let digit = nextDigit()
            if digit != UInt8(ascii: "0") || output.count > start { output.append(digit) }
        }
        if output.count > start {
            output.append(UInt8(ascii: "."))
        } else if keepsPoint {
            output.append(contentsOf: [UInt8(ascii: "0"), UInt8(ascii: ".")])
        }
        repeat { output.append(nextDigit()) } while rest != 0
        output[start...].reverse()
    }
}
