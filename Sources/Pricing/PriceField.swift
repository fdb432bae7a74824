/// A field of a price entry.
enum PriceField: Hashable {
    case provider
    case ranges
    /// A rate, such as `input_cost_per_token` or `output_cost_per_token_above_200k_tokens`.
    ///
    /// - Parameter above: the input tokens above which it holds; `nil` for the rate of all other calls.
    case rate(PriceKind, above: Int64?)

    static let providerName = "litellm_provider"
    static let rangesName = "tiered_pricing"
    /// Within a range of `tiered_pricing`: its bounds.
    static let rangeName = "range"

    private static let tierStart = "_above_"
    private static let tierEnd = "k_tokens"

    private static let byName: [String: PriceField] = {
        var fields: [String: PriceField] = [providerName: .provider, rangesName: .ranges]
        for kind in PriceKind.allCases { fields[kind.fieldName] = .rate(kind, above: nil) }
        return fields
    }()

    /// `nil` for a field that says nothing about the price of tokens.
    init?(name: String) {
        guard let field = Self.byName[name] ?? Self.tier(name) else { return nil }
        self = field
    }

    /// A name such as `input_cost_per_token_above_200k_tokens`.
    private static func tier(_ name: String) -> PriceField? {
        guard name.hasSuffix(tierEnd) else { return nil }
        let stem = name.utf8.dropLast(tierEnd.utf8.count)
        guard let underscore = stem.lastIndex(of: UInt8(ascii: "_")) else { return nil }
        let digits = String(stem[stem.index(after: underscore)...]) ?? ""
        let start = String(stem[...underscore]) ?? ""
        guard start.hasSuffix(tierStart), let kind = PriceKind(fieldName: String(start.dropLast(tierStart.count))),
            let thousands = Int64(digits), "\(thousands)" == digits, (1...1_000_000_000).contains(thousands)
        else { return nil }
        return .rate(kind, above: thousands * 1000)
    }

    /// All names, in the order in which messages list them.
    static let names =
        [providerName] + PriceKind.allCases.map(\.fieldName)
        + PriceKind.allCases.map { "\($0.fieldName)\(tierStart)<N>\(tierEnd)" } + [rangesName]

    /// The names within a range of `tiered_pricing`.
    static let namesInRange = [rangeName] + PriceKind.allCases.map(\.fieldName)
}
