internal import Model

/// The fields of one price entry as they are read, before they become a `Price`.
struct PriceEntry {
    /// As the entry spells it.
    let provider: String
    /// Other keys of the same price, by provider: in the shipped table and copies of it.
    private(set) var also: [(provider: String, keys: [String])] = []
    /// By the place of the service tier in `ServiceTier.allCases`.
    private var tiers = [TierRates](repeating: TierRates(), count: ServiceTier.allCases.count)
    private var ranges: [Range] = []
    private var offPeak: OffPeak?
    private var fees = Fees()
    /// Whether Gemini's searches are charged one by one.
    private var chargesEachSearch = false
    /// Whether something that is charged for is not known.
    private var isIncomplete = false
    private var isRetired = false
    private var origin: String?

    /// The rates of one service tier.
    private struct TierRates {
        var base = Rates()
        /// Rates of a cache that is kept for twelve hours, by threshold in tokens; 0 is none.
        var twelveHours: [Int64: Rate] = [:]
        /// By threshold in tokens.
        var above: [Int64: Rates] = [:]

        var isEmpty: Bool { base.isEmpty && above.isEmpty }

        mutating func set(_ name: RateName, to rate: Rate) {
            if name.isOfTwelveHours {
                twelveHours[name.threshold ?? 0] = rate
            } else if let threshold = name.threshold {
                above[threshold, default: Rates()][name.kind] = rate
            } else {
                base[name.kind] = rate
            }
        }

        /// Takes the rates of twelve hours for those of an hour or longer.
        mutating func useTwelveHours() {
            for (threshold, rate) in twelveHours {
                if threshold == 0 {
                    base[.cacheWrite1h] = rate
                } else {
                    above[threshold, default: Rates()][.cacheWrite1h] = rate
                }
            }
        }

        mutating func removeReasoning() {
            base[.reasoning] = nil
            for threshold in above.keys { above[threshold]?[.reasoning] = nil }
        }

        /// Removes rates of 0 that stand beside a price of another unit: they are no price of a token.
        mutating func removeZeros(of kind: TokenKind) {
            if base[kind]?.units == 0 { base[kind] = nil }
            for threshold in above.keys where above[threshold]?[kind]?.units == 0 { above[threshold]?[kind] = nil }
        }
    }

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
    /// - Parameters:
    ///   - fields: those that entries before it had.
    ///   - doubt: called with each rate that looks like a price for a million tokens.
    init?<Value: PriceValue>(
        _ entry: Value, provider: String?, _ fields: inout PriceFields,
        doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) {
        let members = try entry.members()
        var provider = provider
        if let named = members.first(where: { $0.name == PriceField.providerName })?.value, !Self.isAbsent(named) {
            provider = try named.text()
        }
        // LiteLLM's table has entries that are none, with other things in their fields.
        if provider == nil, Value.isLenient { return nil }
        self.provider = provider ?? ""
        var otherUnits: [TokenKind] = []
        var seen: [Int] = []
        for (name, value) in members {
            let (found, number) = fields.field(name)
            guard let field = found, Value.isLenient || field.isForOperators else {
                guard Value.isLenient else { throw value.unknown(among: PriceField.names) }
                continue
            }
            if case .otherUnit(let isOutput) = field {
                if let number = try? value.number(), !number.isZero { otherUnits.append(isOutput ? .output : .input) }
                continue
            }
            guard !seen.contains(number) else { throw value.fault("stands here a second time") }
            seen.append(number)
            if Self.isAbsent(value) { continue }
            try read(field, value, doubt)
        }
        if provider == nil { return nil }
        for kind in otherUnits { for place in tiers.indices { tiers[place].removeZeros(of: kind) } }
        if tiers[0].base[.cacheWrite1h] == nil { for place in tiers.indices { tiers[place].useTwelveHours() } }
    }

    private mutating func read<Value: PriceValue>(
        _ field: PriceField, _ value: Value, _ doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) {
        switch field {
        case .provider, .otherUnit: break
        case .ranges:
            for range in try value.elements() {
                if let range = try Self.range(range, doubt) { ranges.append(range) }
            }
        case .rate(let name):
            let rate = try Self.rate(value, doubt)
            tiers[name.tier.place].set(name, to: rate)
        case .offPeak:
            do throws(Value.Fault) {
                offPeak = try OffPeak(value) { (value) throws(Value.Fault) in try Self.rate(value, doubt) }
            } catch {
                guard Value.isLenient else { throw error }
                // A wrong hour would be a wrong bill, and one odd entry must not cost the other prices.
                doubt(error)
                isIncomplete = true
            }
        case .searchFees:
            for (name, fee) in try value.members() where !Self.isAbsent(fee) {
                guard name.hasPrefix(Self.sizeStart),
                    let size = SearchContextSize(rawValue: String(name.dropFirst(Self.sizeStart.count)))
                else {
                    guard Value.isLenient else { throw fee.unknown(among: Self.sizeNames) }
                    continue
                }
                fees.search[size] = try Self.fee(fee)
            }
        case .searchUnit:
            let unit = try value.text()
            guard Value.isLenient || ["per_query", "per_prompt"].contains(unit) else {
                throw value.fault("must be per_query or per_prompt")
            }
            chargesEachSearch = unit == "per_query"
        case .requestFee: fees.request = try Self.fee(value)
        case .citationFee: if try value.number()?.isZero != true { isIncomplete = true }
        case .also:
            for (provider, keys) in try value.members() {
                var names: [String] = []
                for key in try keys.elements() { names.append(try key.text()) }
                also.append((provider, names))
            }
        case .retired: isRetired = true
        case .origin: origin = try value.text()
        }
    }

    private static let sizeStart = "search_context_size_"
    private static let sizeNames = SearchContextSize.allCases.map { sizeStart + $0.rawValue }

    private static func isAbsent<Value: PriceValue>(_ value: Value) -> Bool { Value.isLenient && value.isNull }

    /// - Returns: `nil` for a range that LiteLLM's table gives no input rate: ranges of search results, which cost by
    ///   the query.
    private static func range<Value: PriceValue>(
        _ range: Value, _ doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) -> Range? {
        let members = try range.members()
        if Value.isLenient, !members.contains(where: { $0.name == TokenKind.input.rateField }) { return nil }
        var rates = Rates()
        // Whole numbers, which some tables write as 32e3.
        var bounds: [Int64?] = []
        for (name, value) in members where !isAbsent(value) {
            if name == PriceField.rangeName {
                bounds = try value.numbers().map { $0?.integer }
            } else if let kind = TokenKind.byRateField[name] {
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
            doubt(value.fault("is \(rate.usd) USD for one token: is that the price of a million tokens?"))
        }
        return rate
    }

    private static func fee<Value: PriceValue>(_ value: Value) throws(Value.Fault) -> Rate {
        guard let fee = try value.number().flatMap(Rate.init) else {
            throw value.fault("must be 0, or a number from 1e-24 to 10, in USD, such as 0.005")
        }
        return fee
    }
}

extension PriceField {
    /// Whether an operator may use it in the configuration.
    fileprivate var isForOperators: Bool {
        switch self {
        case .otherUnit, .citationFee, .also, .retired, .origin: false
        default: true
        }
    }
}

extension ServiceTier {
    /// Its place in `allCases`.
    fileprivate var place: Int {
        switch self {
        case .standard: 0
        case .batch: 1
        case .flex: 2
        case .priority: 3
        }
    }
}

// MARK: Pricing

extension PriceEntry {
    /// Traits of a price that come from the model's provider and name, not from the fields of its entry.
    struct Traits: Hashable {
        fileprivate var unit = Fees.Unit.search
        fileprivate var defaultSize = SearchContextSize.medium
        fileprivate var stepsBeginAtThreshold = false
    }

    /// - Parameters:
    ///   - key: `model` or `provider/model`.
    ///   - provider: its canonical name.
    /// - Throws: if the key or the provider is empty.
    func traits(key: String, provider: String) throws(PriceFault) -> Traits {
        guard !provider.isEmpty, !key.isEmpty, key.first != "/", key.last != "/" else {
            throw PriceFault("names no provider or no model: the key is model, or provider/model")
        }
        var traits = Traits()
        switch provider {
        case "perplexity":
            traits.unit = .call
            traits.defaultSize = .low
        case "gemini": traits.unit = chargesEachSearch ? .search : .searchingCall
        case "vertex_ai" where key.contains("gemini"): traits.unit = chargesEachSearch ? .search : .searchingCall
        // Models that search in each call (platform.openai.com/docs/guides/tools-web-search).
        case "openai", "azure":
            if key.contains("-search-preview") || key.contains("-search-api") { traits.unit = .searchOrCall }
        case "xai": traits.stepsBeginAtThreshold = ranges.isEmpty
        default: break
        }
        return traits
    }

    /// The price; `nil` if no field says what a token costs.
    ///
    /// - Throws: if the ranges of `tiered_pricing` leave gaps or overlap.
    func price(_ traits: Traits) throws(PriceFault) -> Price? {
        let standard = ranges.isEmpty ? plan(of: tiers[0], beside: TierRates()) : try planOfRanges()
        if standard.isEmpty && tiers.allSatisfy(\.isEmpty) { return nil }
        var fees = fees
        fees.unit = traits.unit
        fees.defaultSize = traits.defaultSize
        return Price(
            standard: standard, batch: batchPlan, flex: plan(of: .flex), priority: plan(of: .priority),
            offPeak: offPeak, fees: fees, stepsBeginAtThreshold: traits.stepsBeginAtThreshold,
            isIncomplete: isIncomplete, isRetired: isRetired, origin: origin)
    }

    /// A kind without a rate in a step keeps the rate of the step below.
    ///
    /// - Parameter others: rates for the kinds that `rates` lacks.
    private func plan(of rates: TierRates, beside others: TierRates) -> RatePlan {
        var plan = RatePlan()
        var others = others
        // Reasoning costs what output costs in this tier, unless it has a rate of its own there.
        if rates.base[.output] != nil, rates.base[.reasoning] == nil { others.removeReasoning() }
        plan.base = rates.base.or(others.base)
        var lower = plan.base
        for threshold in Set(rates.above.keys).union(others.above.keys).sorted() {
            lower = (rates.above[threshold] ?? Rates()).or(others.above[threshold] ?? Rates()).or(lower)
            plan.steps.append(RatePlan.Step(threshold: threshold, rates: lower))
        }
        return plan
    }

    /// A kind without a rate in this tier costs what it costs otherwise.
    private func plan(of tier: ServiceTier) -> RatePlan? {
        let rates = tiers[tier.place]
        return rates.isEmpty || !ranges.isEmpty ? nil : plan(of: rates, beside: tiers[0])
    }

    /// As LiteLLM computes batches: half of a standard rate where the batch has none for input, output or images that
    /// are made; cached input costs what it costs otherwise; reasoning is output.
    private var batchPlan: RatePlan? {
        let (batch, standard) = (tiers[ServiceTier.batch.place], tiers[0])
        guard ranges.isEmpty, batch.base[.input] != nil || batch.base[.output] != nil else { return nil }
        var own = batch
        for kind in [TokenKind.input, .output, .outputImage] {
            own.base[kind] = own.base[kind] ?? standard.base[kind]?.half
        }
        guard own.base[.cacheRead] == nil else { return plan(of: own, beside: TierRates()) }
        var others = TierRates()
        others.base[.cacheRead] = standard.base[.cacheRead]
        for (threshold, rates) in standard.above {
            guard let rate = rates[.cacheRead] else { continue }
            others.above[threshold, default: Rates()][.cacheRead] = rate
        }
        return plan(of: own, beside: others)
    }

    private func planOfRanges() throws(PriceFault) -> RatePlan {
        let ranges = ranges.sorted { $0.start < $1.start }
        for (range, next) in zip(ranges, ranges.dropFirst()) where range.end != next.start {
            throw PriceFault("tiered_pricing: the range that begins at \(next.start) must begin at \(range.end)")
        }
        guard ranges[0].start == 0 else { throw PriceFault("tiered_pricing: the first range must begin at 0") }
        // The last range also holds beyond its end, so its end is not used.
        let base = tiers[0].base
        var plan = RatePlan(base: ranges[0].rates(beside: base))
        plan.steps = ranges.dropFirst().map { RatePlan.Step(threshold: $0.start, rates: $0.rates(beside: base)) }
        return plan
    }
}
