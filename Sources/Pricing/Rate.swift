package import Model

/// US dollars for one token, exact to 1e-24 USD; 0 to 10 USD.
package struct Rate: Equatable, Sendable {
    /// Whole 1e-24 USD. The product with 2e12 tokens, the most that a call may have, still fits into 128 bits.
    let units: Int128

    static let scale = 24
    private static let limit: Int128 = 10_000_000_000_000_000_000_000_000

    /// What a rate must be, behind the name of its field.
    static let form = "must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"

    /// Rounds half to even, to 1e-24 USD; `nil` outside 0 to 10 USD, and if a number above 0 would become 0: a very
    /// small price is not free.
    package init?(_ number: DecimalNumber) {
        guard !number.isNegative, let units = number.magnitude(scale: Self.scale), units <= Self.limit,
            units > 0 || number.isZero
        else {
            return nil
        }
        self.units = units
    }

    private init(units: Int128) {
        self.units = units
    }

    /// Rounded half down, to 1e-24 USD.
    var half: Rate { Rate(units: units / 2) }

    /// US dollars.
    package var usd: String { PlainDecimal.text(units, scale: Self.scale) }

    /// Above 0.01 USD for one token: more than any model costs, and what a price for a million tokens looks like.
    var isDoubtful: Bool { units > Self.limit / 1000 }

    /// US dollars for a million tokens, as price lists give them.
    package var perMillionTokens: String { PlainDecimal.text(units, scale: Self.scale - 6) }
}
