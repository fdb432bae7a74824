package import Model

/// The price of the calls of one model (docs/prices.md).
///
/// A class, so that look-ups share it.
package final class Price: Sendable {
    /// The key of its entry in the price table.
    package let key: String
    /// As the price table spells it.
    package let provider: String
    /// The rates of calls that are in no tier.
    package let base: Rates
    /// In ascending order of the thresholds.
    package let tiers: [Tier]
    /// Whether a tier holds for calls that reach its threshold, not only for those that exceed it.
    package let tiersBeginAtThreshold: Bool

    /// The rates of calls with more input tokens than a threshold. They hold for the whole call.
    package struct Tier: Sendable {
        package let threshold: Int64
        package let rates: Rates
    }

    init(key: String, provider: String, base: Rates, tiers: [Tier], tiersBeginAtThreshold: Bool) {
        self.key = key
        self.provider = provider
        self.base = base
        self.tiers = tiers
        self.tiersBeginAtThreshold = tiersBeginAtThreshold
    }

    /// The cost of one call, rounded once, half to even, to 1e-12 USD.
    ///
    /// - Parameter price: `nil` if the model has none.
    package static func cost(of record: CallRecord, by price: Price?) -> ComputedCost {
        guard let price else { return .unpriced }
        // A failed call that reports no tokens has used none.
        if record.usage.isMissing && !record.isSuccess { return .amount(.zero) }
        return price.cost(of: record.usage)
    }

    private func cost(of usage: Usage) -> ComputedCost {
        if usage.isMissing { return .usageMissing }
        // A total alone does not say which kinds of tokens it has.
        guard let tokens = usage.kinds else { return isFree ? .amount(.zero) : .unpriced }
        let rates = rates(inputTokens: tokens.input + tokens.cacheRead + tokens.cacheWrite)
        var units: Int128 = 0
        for (tokens, kind) in [
            (tokens.input, PriceKind.input), (tokens.cacheRead, .cacheRead), (tokens.cacheWrite, .cacheWrite),
            (tokens.output, .output), (tokens.reasoning, .reasoning),
        ] where tokens > 0 {
            guard let rate = rates.rate(of: kind) else { return .unpriced }
            units += Int128(tokens) * rate.units
        }
        return Money(roundingUnits: units).map(ComputedCost.amount) ?? .unpriced
    }

    private func rates(inputTokens: Int64) -> Rates {
        tiers.last { tier in
            tiersBeginAtThreshold ? inputTokens >= tier.threshold : inputTokens > tier.threshold
        }?.rates ?? base
    }

    private var isFree: Bool { base.isFree && tiers.allSatisfy(\.rates.isFree) }
}

extension Money {
    /// - Parameter units: whole 1e-24 USD, 0 or above.
    fileprivate init?(roundingUnits units: Int128) {
        let divisor: Int128 = 1_000_000_000_000
        let (quotient, remainder) = units.quotientAndRemainder(dividingBy: divisor)
        let half = divisor / 2
        let roundsUp = remainder > half || (remainder == half && quotient % 2 == 1)
        self.init(picoUSD: quotient + (roundsUp ? 1 : 0))
    }
}
