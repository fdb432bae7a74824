private import Model

/// The fields of one price as they are read, before they make a `Price`.
package struct PriceEntry: Sendable {
    private var base = Rates()
    /// By threshold in tokens.
    private var above: [Int64: Rates] = [:]
    private var ranges: [Range] = []

    /// One range of `tiered_pricing`: calls with more input tokens than `start`, and at most `end`.
    package struct Range: Sendable {
        let start: Int64
        let end: Int64
        let rates: Rates

        /// - Returns: `nil` unless 0 <= start < end.
        package init?(start: Int64, end: Int64, rates: Rates) {
            guard start >= 0, start < end else { return nil }
            self.start = start
            self.end = end
            self.rates = rates
        }

        /// A range without an output rate has the entry's; its cached tokens without a rate cost what its input costs.
        fileprivate func rates(beside flat: Rates) -> Rates {
            guard rates.output == nil else { return rates }
            var rates = rates
            rates.output = flat.output
            rates.reasoning = rates.reasoning ?? flat.reasoning
            return rates
        }
    }

    package init() {}

    package mutating func set(_ field: PriceField, to rate: Rate) {
        if let threshold = field.threshold {
            above[threshold, default: Rates()][field.kind] = rate
        } else {
            base[field.kind] = rate
        }
    }

    package mutating func append(_ range: Range) {
        ranges.append(range)
    }

    /// The price; `nil` where no field says what a token costs.
    ///
    /// - Parameters:
    ///   - key: `model` or `provider/model`.
    ///   - provider: as the price table spells it.
    /// - Throws: where the key or the provider names nothing, or the ranges of `tiered_pricing` leave gaps or overlap.
    package func price(key: String, provider: String, spellings: ProviderSpellings) throws(PriceFault) -> Price? {
        guard !provider.isEmpty, !key.isEmpty, key.first != "/", key.last != "/" else {
            throw PriceFault("names no provider or no model: the key is model, or provider/model")
        }
        var base = base
        var tiers: [Price.Tier] = []
        if ranges.isEmpty {
            // A field without a rate of its own in a tier keeps that of the tier below.
            var lower = base
            for threshold in above.keys.sorted() {
                lower = (above[threshold] ?? Rates()).or(lower)
                tiers.append(Price.Tier(threshold: threshold, rates: lower))
            }
        } else {
            let ranges = ranges.sorted { $0.start < $1.start }
            for (range, next) in zip(ranges, ranges.dropFirst()) where range.end != next.start {
                throw PriceFault("tiered_pricing: the range that begins at \(next.start) must begin at \(range.end)")
            }
            guard ranges[0].start == 0 else { throw PriceFault("tiered_pricing: the first range must begin at 0") }
            // Beyond the last range the last holds, so its end says nothing.
            tiers = ranges.dropFirst().map { Price.Tier(threshold: $0.start, rates: $0.rates(beside: self.base)) }
            base = ranges[0].rates(beside: self.base)
        }
        if base.isEmpty && tiers.isEmpty { return nil }
        return Price(
            key: key, provider: provider, base: base, tiers: tiers,
            tiersBeginAtThreshold: ranges.isEmpty && spellings.canonical(provider) == spellings.canonical("xai"))
    }
}

/// The kinds of tokens that have a rate.
package enum PriceKind: CaseIterable, Sendable {
    case input, cacheRead, cacheWrite, output, reasoning

    package var fieldName: String {
        switch self {
        case .input: "input_cost_per_token"
        case .cacheRead: "cache_read_input_token_cost"
        case .cacheWrite: "cache_creation_input_token_cost"
        case .output: "output_cost_per_token"
        case .reasoning: "output_cost_per_reasoning_token"
        }
    }
}

/// A field of a price entry that holds a rate: `input_cost_per_token`, `output_cost_per_token_above_200k_tokens`.
package struct PriceField: Sendable {
    let kind: PriceKind
    /// Input tokens above which it holds; `nil` is the rate of all other calls.
    let threshold: Int64?

    package static let providerName = "litellm_provider"
    package static let rangesName = "tiered_pricing"
    /// Within a range of `tiered_pricing`.
    package static let rangeName = "range"

    /// - Returns: `nil` for fields that say nothing of the price of tokens.
    package init?(name: String) {
        for kind in PriceKind.allCases where name.hasPrefix(kind.fieldName) {
            let rest = name.dropFirst(kind.fieldName.count)
            if rest.isEmpty {
                self.kind = kind
                threshold = nil
                return
            }
            guard rest.hasPrefix("_above_"), rest.hasSuffix("k_tokens"),
                let thousands = DecimalNumber(rest.dropFirst("_above_".count).dropLast("k_tokens".count).utf8)?.integer,
                "\(thousands)" == rest.dropFirst("_above_".count).dropLast("k_tokens".count),
                (1...1_000_000_000).contains(thousands)
            else { continue }
            self.kind = kind
            threshold = thousands * 1000
            return
        }
        return nil
    }

    /// Whether the member of this name says something of the price of tokens.
    static func isRead(_ name: String) -> Bool {
        name == providerName || name == rangesName || PriceField(name: name) != nil
    }

    /// As a person finds it in a list of what is known.
    package static let names =
        [providerName] + PriceKind.allCases.map(\.fieldName)
        + PriceKind.allCases.map { $0.fieldName + "_above_<N>k_tokens" }
        + [rangesName]
}

extension Rates {
    package subscript(kind: PriceKind) -> Rate? {
        get {
            switch kind {
            case .input: input
            case .cacheRead: cacheRead
            case .cacheWrite: cacheWrite
            case .output: output
            case .reasoning: reasoning
            }
        }
        set {
            switch kind {
            case .input: input = newValue
            case .cacheRead: cacheRead = newValue
            case .cacheWrite: cacheWrite = newValue
            case .output: output = newValue
            case .reasoning: reasoning = newValue
            }
        }
    }
}

/// What is wrong with a price, for a person.
package struct PriceFault: Error, Sendable, CustomStringConvertible {
    package let description: String
    /// The name that is at fault, where it is one of several.
    package let name: String?

    package init(_ description: String, of name: String? = nil) {
        self.description = description
        self.name = name
    }

    /// What is said of a rate that is none, behind the field's name.
    package static let rateForm = "must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"
}
