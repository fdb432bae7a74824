/// A number as written, exact: significand x 10^exponent.
///
/// Parses the number grammar of RFC 8259, section 6. Money and durations are read through it, never through `Double`,
/// because 0.1 has no `Double`.
package struct DecimalNumber: Sendable {
    private let significand: UInt128
    private let exponent: Int
    /// Whether a digit other than 0 was dropped behind the last one kept; decides ties when rounding.
    private let hasMore: Bool
    /// Whether the number is below 0; minus zero is not.
    package let isNegative: Bool

    /// Digits kept: as many as always fit into 128 bits. Digits behind them only matter for ties.
    private static let keptDigits = 38
    /// Larger exponents are out of every range: no body has digits enough to make up for one.
    private static let exponentBound = 1 << 48

    /// - Parameter token: the whole number, nothing else; `nil` is returned for anything but the grammar.
    package init?(_ token: some Collection<UInt8>) {
        var bytes = token.makeIterator()
        var byte = bytes.next()
        let minus = byte == UInt8(ascii: "-")
        if minus { byte = bytes.next() }

        var significand: UInt128 = 0
        var kept = 0
        var dropped = 0
        var hasMore = false
        func keep(_ value: UInt8) {
            if kept == Self.keptDigits {
                dropped += 1
                hasMore = hasMore || value != 0
            } else {
                significand = significand * 10 + UInt128(value)
                // Leading zeros take no place.
                if significand != 0 { kept += 1 }
            }
        }

        guard let first = Self.digit(byte) else { return nil }
        keep(first)
        byte = bytes.next()
        if first != 0 {
            while let next = Self.digit(byte) {
                keep(next)
                byte = bytes.next()
            }
        }
        var fractionDigits = 0
        if byte == UInt8(ascii: ".") {
            byte = bytes.next()
            guard Self.digit(byte) != nil else { return nil }
            while let next = Self.digit(byte) {
                keep(next)
                fractionDigits += 1
                byte = bytes.next()
            }
        }
        var written = 0
        if byte == UInt8(ascii: "e") || byte == UInt8(ascii: "E") {
            guard let exponent = Self.exponent(&bytes) else { return nil }
            written = exponent
            byte = nil
        }
        guard byte == nil else { return nil }

        self.significand = significand
        self.hasMore = hasMore
        exponent = written - fractionDigits + dropped
        isNegative = minus && (significand != 0 || hasMore)
    }

    /// The exponent behind its letter, which ends the number.
    private static func exponent(_ bytes: inout some IteratorProtocol<UInt8>) -> Int? {
        var byte = bytes.next()
        let below = byte == UInt8(ascii: "-")
        if below || byte == UInt8(ascii: "+") { byte = bytes.next() }
        guard Self.digit(byte) != nil else { return nil }
        var written = 0
        while let next = Self.digit(byte) {
            written = min(written * 10 + Int(next), exponentBound)
            byte = bytes.next()
        }
        return byte == nil ? (below ? -written : written) : nil
    }

    private static func digit(_ byte: UInt8?) -> UInt8? {
        guard let byte, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        return byte - UInt8(ascii: "0")
    }

    /// The magnitude as a whole number of 10^-scale, rounded half to even; `nil` if it exceeds `Int128`.
    ///
    /// Past 10^37, which is past every bound, digits behind the 38th are cut.
    package func magnitude(scale: Int) -> Int128? {
        guard significand != 0 else { return 0 }
        var power = exponent + scale
        if power >= 0 {
            var result = significand
            while power > 0 {
                let (product, overflow) = result.multipliedReportingOverflow(by: 10)
                if overflow { return nil }
                result = product
                power -= 1
            }
            return Int128(exactly: result)
        }
        // Every significand is below 10^38: less than a tenth is left, not even a tie.
        if power < -Self.keptDigits { return 0 }
        var divisor: UInt128 = 1
        for _ in 0..<(-power) { divisor *= 10 }
        let (quotient, remainder) = significand.quotientAndRemainder(dividingBy: divisor)
        let half = divisor / 2
        let roundsUp = remainder > half || (remainder == half && (hasMore || quotient % 2 == 1))
        return Int128(exactly: quotient + (roundsUp ? 1 : 0))
    }

    /// The value when it is a whole number that fits; `5.0` and `1e3` are whole.
    package var integer: Int64? {
        guard isWhole, let whole = magnitude(scale: 0), let value = Int64(exactly: whole) else { return nil }
        return isNegative ? -value : value
    }

    package var isZero: Bool { significand == 0 && !hasMore }

    /// Whether there is nothing but zeros behind the decimal point.
    package var isWhole: Bool { isWhole(scale: 0) }

    /// Whether it is a whole number of 10^-scale.
    package func isWhole(scale: Int) -> Bool {
        let power = exponent + scale
        // With digits dropped and no power below 0, the number is past 1e37: no bound asks further.
        if significand == 0 { return !hasMore }
        if power >= 0 { return true }
        if hasMore || power < -Self.keptDigits { return false }
        var divisor: UInt128 = 1
        for _ in 0..<(-power) { divisor *= 10 }
        return significand % divisor == 0
    }
}
