/// Tokens of one call, or of several together.
struct Usage: Equatable, Sendable {
    var inputTokens: Int64
    var outputTokens: Int64

    var totalTokens: Int64 { inputTokens + outputTokens }

    static func + (left: Usage, right: Usage) -> Usage {
        Usage(
            inputTokens: left.inputTokens + right.inputTokens, outputTokens: left.outputTokens + right.outputTokens)
    }
}
