/// One piece of the reviewer's work, and what the model's answer to it uses.
struct Assignment: Equatable, Sendable {
    enum Kind: String, Sendable {
        case codeReview = "code review"
        case securityAudit = "security audit"
    }

    let kind: Kind
    let subject: String
    let usage: Usage

    /// The day: three code reviews and one security audit, 100 input and 436 output tokens in all.
    static let day = [
        Assignment(kind: .codeReview, subject: "parser", usage: Usage(inputTokens: 22, outputTokens: 98)),
        Assignment(kind: .codeReview, subject: "scheduler", usage: Usage(inputTokens: 25, outputTokens: 107)),
        Assignment(kind: .codeReview, subject: "cache", usage: Usage(inputTokens: 24, outputTokens: 103)),
        Assignment(kind: .securityAudit, subject: "login", usage: Usage(inputTokens: 29, outputTokens: 128)),
    ]
}

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
