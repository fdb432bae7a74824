/// An amount of US dollars, exact, in 1e-12 USD; 0 to 1e18 USD.
///
/// 128 bits, because an `Int64` of 1e-12 USD ends at 9.2 million USD.
package struct Money: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Whole 1e-12 USD.
    package let picoUSD: Int128

    package static let zero = Money(uncheckedPicoUSD: 0)
    /// 1e18 USD: the largest total (docs/metrics.md).
    package static let max = Money(uncheckedPicoUSD: 1_000_000_000_000_000_000_000_000_000_000)
    /// Decimal places that are kept.
    package static let scale = 12

    private init(uncheckedPicoUSD: Int128) {
        picoUSD = uncheckedPicoUSD
    }

    /// - Parameter picoUSD: whole 1e-12 USD; `nil` is returned outside 0 to 1e18 USD.
    package init?(picoUSD: Int128) {
        guard picoUSD >= 0, picoUSD <= Self.max.picoUSD else { return nil }
        self.picoUSD = picoUSD
    }

    /// Rounds half to even, to 1e-12 USD; `nil` outside 0 to 1e18 USD.
    package init?(rounding number: DecimalNumber) {
        guard !number.isNegative, let picoUSD = number.magnitude(scale: Self.scale) else { return nil }
        self.init(picoUSD: picoUSD)
    }

    /// The sum, or `nil` past `Money.max`.
    package func adding(_ other: Money) -> Money? {
        Money(picoUSD: picoUSD + other.picoUSD)
    }

    package static func < (left: Money, right: Money) -> Bool {
        left.picoUSD < right.picoUSD
    }

    /// A plain decimal in USD: `5.8074795`.
    package var description: String {
        PlainDecimal.text(picoUSD, scale: Self.scale)
    }
}
