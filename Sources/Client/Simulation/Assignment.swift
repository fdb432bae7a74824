/// One piece of the reviewer's work, and the tokens of the model's answer.
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
