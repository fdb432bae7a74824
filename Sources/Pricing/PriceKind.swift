/// A kind of tokens that has a rate.
package enum PriceKind: CaseIterable, Sendable {
    case input, cacheRead, cacheWrite, output, reasoning

    /// The one table of rates: price files, the configuration and `llm-exporter prices` use no other.
    private var row: (field: String, title: String, whole: PriceKind?) {
        switch self {
        case .input: ("input_cost_per_token", "input", nil)
        case .cacheRead: ("cache_read_input_token_cost", "cache read", .input)
        case .cacheWrite: ("cache_creation_input_token_cost", "cache write", .input)
        case .output: ("output_cost_per_token", "output", nil)
        case .reasoning: ("output_cost_per_reasoning_token", "reasoning", .output)
        }
    }

    /// The field of a price entry that holds the rate.
    var fieldName: String { row.field }

    /// For people.
    package var title: String { row.title }

    /// The kind that these tokens are part of. They cost its rate if they have none of their own.
    var whole: PriceKind? { row.whole }

    private static let byFieldName = Dictionary(uniqueKeysWithValues: allCases.map { ($0.fieldName, $0) })

    init?(fieldName: String) {
        guard let kind = Self.byFieldName[fieldName] else { return nil }
        self = kind
    }
}
