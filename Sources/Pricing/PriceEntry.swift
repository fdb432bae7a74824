internal import Model

/// The fields of one price entry as they are read, before they become a `Price`.
struct PriceEntry {
    /// As the entry spells it.
    private let provider: String
    private var base = Rates()
    /// By threshold in tokens.
    private var above: [Int64: Rates] = [:]
    private var ranges: [Range] = []

    /// One range of `tiered_pricing`: calls with more input tokens than `start`, and at most `end`.
    private struct Range {
        let start: Int64
        let end: Int64
        let rates: Rates

        /// A range without an output rate has the entry's; its cached tokens without a rate cost its input rate.
        func rates(beside flat: Rates) -> Rates {
            guard rates[.output] == nil else { return rates }
            var rates = rates
            rates[.output] = flat[.output]
            rates[.reasoning] = rates[.reasoning] ?? flat[.reasoning]
            return rates
        }
    }
}

// MARK: Reading

extension PriceEntry {
    /// Reads an entry; `nil` if neither it nor `provider` names a provider.
    ///
    /// - Parameter doubt: called with each rate that looks like a price for a million tokens.
    init?<Value: PriceValue>(
        _ entry: Value, provider: String?, doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) {
        let members = try entry.members()
        var provider = provider
        if let named = members.first(where: { $0.name == PriceField.providerName })?.value, !Self.isAbsent(named) {
            provider = try named.text()
        }
        // LiteLLM's table has entries that are none, with other things in their fields.
        if provider == nil, Value.isLenient { return nil }
        var seen: [PriceField] = []
        for (name, value) in members {
            guard let field = PriceField(name: name) else {
                guard Value.isLenient else { throw value.unknown(among: PriceField.names) }
                continue
            }
            guard !seen.contains(field) else { throw value.fault("stands here a second time") }
            seen.append(field)
            guard !Self.isAbsent(value) else { continue }
            switch field {
            case .provider: break
            case .ranges:
                for range in try value.elements() {
                    if let range = try Self.range(range, doubt) { ranges.append(range) }
                }
            case .rate(let kind, above: nil): base[kind] = try Self.rate(value, doubt)
            case .rate(let kind, above: let threshold?):
                above[threshold, default: Rates()][kind] = try Self.rate(value, doubt)
            }
        }
        guard let provider else { return nil }
        self.provider = provider
    }

    private static func isAbsent<Value: PriceValue>(_ value: Value) -> Bool { Value.isLenient && value.isNull }

    /// - Returns: `nil` for a range that LiteLLM's table gives no input rate: ranges of search results, which cost by
    ///   the query.
    private static func range<Value: PriceValue>(
        _ range: Value, _ doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) -> Range? {
        let members = try range.members()
        if Value.isLenient, !members.contains(where: { $0.name == PriceKind.input.fieldName }) { return nil }
        var rates = Rates()
        // Whole numbers, which some tables write as 32e3.
        var bounds: [Int64?] = []
        for (name, value) in members where !isAbsent(value) {
            if name == PriceField.rangeName {
                bounds = try value.numbers().map { $0?.integer }
            } else if let kind = PriceKind(fieldName: name) {
                rates[kind] = try rate(value, doubt)
            } else if !Value.isLenient {
                throw value.unknown(among: PriceField.namesInRange)
            }
        }
        guard bounds.count == 2, let start = bounds[0], let end = bounds[1], start >= 0, start < end else {
            throw range.faultOfRange()
        }
        return Range(start: start, end: end, rates: rates)
    }

    private static func rate<Value: PriceValue>(
        _ value: Value, _ doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) -> Rate {
        guard let rate = try value.number().flatMap(Rate.init) else { throw value.fault(Rate.form) }
        if rate.isDoubtful {
            doubt(value.fault("is \(rate.perToken) USD for one token: is that the price of a million tokens?"))
        }
        return rate
    }
}

// MARK: Pricing

extension PriceEntry {
    /// The price; `nil` if no field says what a token costs.
    ///
    /// - Parameter key: `model` or `provider/model`.
    /// - Throws: if the key or the provider is empty, or the ranges of `tiered_pricing` leave gaps or overlap.
    func price(key: String, spellings: ProviderSpellings) throws(PriceFault) -> Price? {
        guard !provider.isEmpty, !key.isEmpty, key.first != "/", key.last != "/" else {
            throw PriceFault("names no provider or no model: the key is model, or provider/model")
        }
        let (base, tiers) = ranges.isEmpty ? (base, tiersAboveThresholds()) : try tiersOfRanges()
        if base.isEmpty && tiers.isEmpty { return nil }
        return Price(
            key: key, provider: provider, base: base, tiers: tiers,
            tiersBeginAtThreshold: ranges.isEmpty && spellings.canonical(provider) == spellings.canonical("xai"))
    }

    private func tiersAboveThresholds() -> [Price.Tier] {
        // A kind without a rate in a tier keeps the rate of the tier below.
        var lower = base
        var tiers: [Price.Tier] = []
        for (threshold, rates) in above.sorted(by: { $0.key < $1.key }) {
            lower = rates.or(lower)
            tiers.append(Price.Tier(threshold: threshold, rates: lower))
        }
        return tiers
    }

    private func tiersOfRanges() throws(PriceFault) -> (Rates, [Price.Tier]) {
        let ranges = ranges.sorted { $0.start < $1.start }
        for (range, next) in zip(ranges, ranges.dropFirst()) where range.end != next.start {
            throw PriceFault("tiered_pricing: the range that begins at \(next.start) must begin at \(range.end)")
        }
        guard ranges[0].start == 0 else { throw PriceFault("tiered_pricing: the first range must begin at 0") }
        // The last range also holds beyond its end, so its end is not used.
        let tiers = ranges.dropFirst().map { Price.Tier(threshold: $0.start, rates: $0.rates(beside: base)) }
        return (ranges[0].rates(beside: base), tiers)
    }
}
