package import Model

/// The price of a model's calls (docs/prices.md).
///
/// A class, so that models that cost the same share it.
package final class Price: Sendable {
    package let standard: RatePlan
    /// `nil` for those that the model does not have.
    package let batch: RatePlan?
    package let flex: RatePlan?
    package let priority: RatePlan?
    package let offPeak: OffPeak?
    package let fees: Fees
    /// Whether a step holds for calls that reach its threshold, not only for those that exceed it.
    package let stepsBeginAtThreshold: Bool
    /// Whether the provider also charges for what no record reports: then only a reported cost is one.
    package let isIncomplete: Bool
    /// Whether the model is no longer in the table that the shipped one is made of: this is its last price.
    package let isRetired: Bool
    /// The source of a shipped price; `nil` is LiteLLM's table, or a file.
    package let origin: String?

    init(
        standard: RatePlan, batch: RatePlan? = nil, flex: RatePlan? = nil, priority: RatePlan? = nil,
        offPeak: OffPeak? = nil, fees: Fees = Fees(), stepsBeginAtThreshold: Bool = false, isIncomplete: Bool = false,
        isRetired: Bool = false, origin: String? = nil
    ) {
        self.standard = standard
        self.batch = batch
        self.flex = flex
        self.priority = priority
        self.offPeak = offPeak
        self.fees = fees
        self.stepsBeginAtThreshold = stepsBeginAtThreshold
        self.isIncomplete = isIncomplete
        self.isRetired = isRetired
        self.origin = origin
    }

    /// The rates of a service tier; `nil` if the model has none.
    package func plan(of tier: ServiceTier) -> RatePlan? {
        switch tier {
        case .standard: standard
        case .batch: batch
        case .flex: flex
        case .priority: priority
        }
    }

    /// The cost of one call in 1e-24 USD; `nil` if it is not known.
    func units(of record: CallRecord) -> Int128? {
        if isIncomplete { return nil }
        let details = record.details
        guard let plan = plan(of: details?.serviceTier ?? .standard), let fees = fees.units(of: details) else {
            return nil
        }
        // A total alone does not say which kinds of tokens it has.
        guard let tokens = record.usage.kinds else { return plan.isFree ? fees : nil }
        var rates = plan.rates(inputTokens: tokens.allInput, reaches: stepsBeginAtThreshold)
        if let offPeak, let time = record.time, details?.serviceTier != .batch, offPeak.holds(at: time) {
            rates = offPeak.rates.or(rates)
        }
        var units = fees
        for kind in TokenKind.allCases where tokens[kind] > 0 {
            guard let rate = rates.rate(of: kind) else { return nil }
            units += Int128(tokens[kind]) * rate.units
        }
        return units
    }
}

extension Price {
    /// The cost of one call, rounded once, half to even, to 1e-12 USD.
    ///
    /// - Parameters:
    ///   - prices: of the entries that may be the model's; empty if it has none. If they do not cost the same, the cost
    ///     is not known.
    ///   - factor: what the price is multiplied by.
    package static func cost(of record: CallRecord, by prices: [Price], factor: PriceFactor = .one) -> ComputedCost {
        if record.usage.isMissing {
            // A call that failed without tokens has used none, unless the provider went on without its caller.
            return CallRecord.mayBeBilled(record.status) ? .usageMissing : .amount(.zero)
        }
        guard let first = prices.first, let units = first.units(of: record),
            prices.dropFirst().allSatisfy({ $0.units(of: record) == units }),
            let cost = factor.money(units: units)
        else { return .unpriced }
        return .amount(cost)
    }
}
