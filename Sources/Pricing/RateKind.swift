package import Model

/// The rates of the kinds of tokens, by their names in price files.
extension TokenKind {
    /// The field of a price entry that holds the rate.
    var rateField: String {
        switch self {
        case .input: "input_cost_per_token"
        case .cacheRead: "cache_read_input_token_cost"
        case .cacheWrite: "cache_creation_input_token_cost"
        case .cacheWrite1h: "cache_creation_input_token_cost_above_1hr"
        case .inputAudio: "input_cost_per_audio_token"
        case .inputImage: "input_cost_per_image_token"
        case .output: "output_cost_per_token"
        case .reasoning: "output_cost_per_reasoning_token"
        case .outputAudio: "output_cost_per_audio_token"
        case .outputImage: "output_cost_per_image_token"
        }
    }

    /// For people.
    package var title: String { name.replacing("_", with: " ") }

    /// The kind whose rate holds if this one has none of its own; `nil` if the call then has no price: what costs up to
    /// twenty times as much must not be charged as text.
    var fallback: TokenKind? {
        switch self {
        case .cacheRead, .cacheWrite, .inputImage: .input
        case .reasoning: .output
        case .input, .output, .cacheWrite1h, .inputAudio, .outputAudio, .outputImage: nil
        }
    }

    static let byRateField = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rateField, $0) })
}

extension ServiceTier {
    /// The end of the fields that hold its rates.
    var suffix: String {
        switch self {
        case .standard: ""
        case .batch: "_batches"
        case .flex: "_flex"
        case .priority: "_priority"
        }
    }
}
