internal import Model

/// A field of a price entry.
enum PriceField: Hashable {
    case provider
    case ranges
    case offPeak
    case searchFees
    case searchUnit
    case requestFee
    /// The price of a citation: no record says how many there were.
    case citationFee
    case rate(RateName)
    /// A price of something else than tokens, for the input or the output.
    case otherUnit(isOutput: Bool)
    // Fields of the shipped table (scripts/update-prices).
    case also, retired, origin

    static let providerName = "litellm_provider"
    static let rangesName = "tiered_pricing"
    /// Within a range of `tiered_pricing`: its bounds.
    static let rangeName = "range"
    static let requestFeeName = "input_cost_per_request"

    private static let byName: [String: PriceField] = [
        providerName: .provider, rangesName: .ranges, "off_peak_pricing": .offPeak,
        "search_context_cost_per_query": .searchFees, "web_search_billing_unit": .searchUnit,
        requestFeeName: .requestFee, "citation_cost_per_token": .citationFee, "also": .also, "retired": .retired,
        "origin": .origin,
    ]

    /// `nil` for a field that says nothing about prices.
    init?(name: String) {
        if let field = Self.byName[name] {
            self = field
        } else if let rate = RateName(name) {
            self = .rate(rate)
        } else if name.contains("_token") {
            // Tokens of kinds that records do not have.
            return nil
        } else if name.hasPrefix("input_cost_per_") {
            self = .otherUnit(isOutput: false)
        } else if name.hasPrefix("output_cost_per_") {
            self = .otherUnit(isOutput: true)
        } else {
            return nil
        }
    }

    /// All names that an operator may use, in the order in which messages list them.
    static let names =
        [providerName] + TokenKind.allCases.map(\.rateField)
        + ["each of these with \(RateName.stepStart)<N>\(RateName.stepEnd)"]
        + ["and with _batches, _flex or _priority at its end", rangesName, "off_peak_pricing"]
        + ["search_context_cost_per_query", "web_search_billing_unit", requestFeeName]

    /// The names within a range of `tiered_pricing`.
    static let namesInRange = [rangeName] + TokenKind.allCases.map(\.rateField)
}

/// The fields of a price file by their names: its entries repeat a few dozen.
struct PriceFields {
    private var known: [String: (field: PriceField?, number: Int)] = [:]

    /// The field, `nil` if it says nothing about prices, and a number that is the name's own.
    mutating func field(_ name: String) -> (field: PriceField?, number: Int) {
        if let found = known[name] { return found }
        let found = (field: PriceField(name: name), number: known.count)
        known[name] = found
        return found
    }
}

/// The name of a rate, such as `input_cost_per_token` or `output_cost_per_token_above_200k_tokens_priority`.
struct RateName: Hashable {
    let kind: TokenKind
    /// The input tokens above which it holds; `nil` for the rate of all other calls.
    let threshold: Int64?
    let tier: ServiceTier
    /// Whether it is the rate of a cache that is kept for twelve hours. Some providers have no other long one.
    let isOfTwelveHours: Bool

    static let stepStart = "_above_"
    static let stepEnd = "k_tokens"
    private static let twelveHours = "cache_creation_input_token_cost_above_12hr"

    init?(_ name: String) {
        // Names that are no rates are by far the most.
        guard name.hasPrefix("input_") || name.hasPrefix("output_") || name.hasPrefix("cache_") else { return nil }
        var stem = name[...]
        tier = ServiceTier.allCases.first { $0 != .standard && name.hasSuffix($0.suffix) } ?? .standard
        stem.removeLast(tier.suffix.count)
        var threshold: Int64?
        if stem.hasSuffix(Self.stepEnd) {
            let bytes = stem.utf8.dropLast(Self.stepEnd.utf8.count)
            guard let underscore = bytes.lastIndex(of: UInt8(ascii: "_")) else { return nil }
            let digits = stem[stem.index(after: underscore)..<bytes.endIndex]
            let start = stem[...underscore]
            guard start.hasSuffix(Self.stepStart), let thousands = Int64(digits), "\(thousands)" == digits,
                (1...1_000_000_000).contains(thousands)
            else { return nil }
            threshold = thousands * 1000
            stem = start.dropLast(Self.stepStart.count)
        }
        self.threshold = threshold
        isOfTwelveHours = stem == Self.twelveHours
        guard let kind = isOfTwelveHours ? .cacheWrite1h : TokenKind.byRateField[String(stem)] else { return nil }
        self.kind = kind
    }
}
