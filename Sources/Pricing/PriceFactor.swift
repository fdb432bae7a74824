package import Model

/// A discount or surcharge, by which computed costs are multiplied. Exact to six decimal places; 0 to 1000.
package struct PriceFactor: Equatable, Sendable {
    private let millionths: UInt128

    package static let one = PriceFactor(millionths: 1_000_000)
    /// The rule for a factor, behind its name in a message.
    package static let form = "must be a number from 0 to 1000 with at most six decimal places, such as 0.85"

    private init(millionths: UInt128) {
        self.millionths = millionths
    }

    package init?(_ number: DecimalNumber) {
        // Rounding a discount would be a silent change of the bill.
        guard !number.isNegative, number.isWhole(scale: 6), let scaled = number.magnitude(scale: 6),
            scaled <= 1_000_000_000
        else { return nil }
        millionths = UInt128(scaled)
    }

    package var text: String { PlainDecimal.text(Int128(millionths), scale: 6) }

    /// The product, rounded once, half to even, to 1e-12 USD; `nil` past the largest amount.
    ///
    /// - Parameter units: whole 1e-24 USD, 0 or above.
    func money(units: Int128) -> Money? {
        let divisor: UInt128 = 1_000_000_000_000_000_000
        let product = UInt128(units).multipliedFullWidth(by: millionths)
        guard product.high < divisor else { return nil }
        let (quotient, remainder) = divisor.dividingFullWidth(product)
        let half = divisor / 2
        let roundsUp = remainder > half || (remainder == half && quotient % 2 == 1)
        return Int128(exactly: quotient + (roundsUp ? 1 : 0)).flatMap(Money.init(picoUSD:))
    }
}
