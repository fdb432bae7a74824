package import Model

/// What the calls of one model cost (docs/prices.md).
///
/// A class: look-ups hand it out by reference.
package final class Price: Sendable {
    /// Of its entry in the price table.
    package let key: String
    /// As the price table spells it.
    package let provider: String
    /// Of calls that no tier takes.
    package let base: Rates
    /// By threshold, rising.
    package let tiers: [Tier]
    /// Whether a tier takes calls that reach its threshold, not only those that exceed it.
    package let tiersBeginAtThreshold: Bool

    /// Rates of whole calls, by their input tokens.
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

    /// What one call costs, rounded once, half to even, to 1e-12 USD.
    ///
    /// - Parameter price: `nil` where there is none for the model.
    package static func cost(of record: CallRecord, by price: Price?) -> ComputedCost {
        guard let price else { return .unpriced }
        // A failed call that tells nothing has used nothing.
        if record.usage.isMissing && !record.isSuccess { return .amount(.zero) }
        return price.cost(of: record.usage)
    }

    private func cost(of usage: Usage) -> ComputedCost {
        if usage.isMissing { return .usageMissing }
        // A total alone could be of any kind.
        guard let tokens = usage.kinds else { return isFree ? .amount(.zero) : .unpriced }
        let rates = rates(inputTokens: tokens.input + tokens.cacheRead + tokens.cacheWrite)
        var units: Int128 = 0
        for (tokens, rate) in [
            (tokens.input, rates.input), (tokens.cacheRead, rates.cacheRead ?? rates.input),
            (tokens.cacheWrite, rates.cacheWrite ?? rates.input), (tokens.output, rates.output),
            (tokens.reasoning, rates.reasoning ?? rates.output),
        ] where tokens > 0 {
            guard let rate else { return .unpriced }
            units += Int128(tokens) * rate.units
        }
        return Money(roundingUnits: units).map(ComputedCost.amount) ?? .unpriced
    }

    private func rates(inputTokens: Int64) -> Rates {
        tiers.last { tier in
            tiersBeginAtThreshold ? inputTokens >= tier.threshold : inputTokens > tier.threshold
        }?.rates ?? base
    }

    /// Whether no token costs anything: an explicit 0 is a price.
    private var isFree: Bool {
        ([base] + tiers.map(\.rates)).allSatisfy { rates in
            let all = [rates.input, rates.cacheRead, rates.cacheWrite, rates.output, rates.reasoning]
            return rates.input != nil && rates.output != nil && all.allSatisfy { ($0?.units ?? 0) == 0 }
        }
    }
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
