package import Model

/// US dollars for one token, exact to 1e-24 USD; 0 to 10 USD.
package struct Rate: Equatable, Sendable {
    /// Whole 1e-24 USD. Times 2e12 tokens, the most that a call may have, it still fits into 128 bits.
    let units: Int128

    static let scale = 24
    private static let limit: Int128 = 10_000_000_000_000_000_000_000_000

    /// Rounds half to even, to 1e-24 USD; `nil` outside 0 to 10 USD, and where nothing would be left: a price that is very
    /// small is not free.
    package init?(_ number: DecimalNumber) {
        guard !number.isNegative, let units = number.magnitude(scale: Self.scale), units <= Self.limit,
            units > 0 || number.isZero
        else {
            return nil
        }
        self.units = units
    }

    /// US dollars for a million tokens, as price lists give them.
    package var perMillionTokens: String { PlainDecimal.text(units, scale: Self.scale - 6) }
}

/// The rates of one tier, by the kind of tokens.
package struct Rates: Equatable, Sendable {
    package internal(set) var input: Rate?
    package internal(set) var cacheRead: Rate?
    package internal(set) var cacheWrite: Rate?
    package internal(set) var output: Rate?
    package internal(set) var reasoning: Rate?

    package init() {}

    var isEmpty: Bool { self == Rates() }

    /// These rates, and those of `other` where these have none.
    func or(_ other: Rates) -> Rates {
        var rates = self
        rates.input = input ?? other.input
        rates.cacheRead = cacheRead ?? other.cacheRead
        rates.cacheWrite = cacheWrite ?? other.cacheWrite
        rates.output = output ?? other.output
        rates.reasoning = reasoning ?? other.reasoning
        return rates
    }
}
