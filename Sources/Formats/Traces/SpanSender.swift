/// What is known of the instrumentation scope that a span comes from.
struct SpanSender {
    let name: String

    /// Claude Code names itself with and without a suffix.
    var isClaudeCode: Bool { name.hasPrefix("com.anthropic.claude_code") }

    /// Scopes whose input never includes cached tokens: they pass on what the provider counts.
    private static let excludingScopes: Set<String> = ["opentelemetry.instrumentation.bedrock"]

    /// Before version 6, which writes details of the input, Vercel's AI SDK passed on what these two count
    /// (github.com/vercel/ai, issues 8794 and 8795).
    private static func isEarlyVercel(_ attributes: SpanAttributes) -> Bool {
        guard let provider = attributes[.vercelProvider]?.text, attributes[.vercelCacheReadTokens] == nil,
            attributes[.vercelCacheWriteTokens] == nil
        else { return false }
        return provider.hasPrefix("anthropic") || provider.hasPrefix("amazon-bedrock")
    }

    /// openlit writes the time to the first token also of answers that were not streamed.
    var writesFirstTokenOfAllAnswers: Bool { name.hasPrefix("openlit") }

    /// Strands writes openlit's attribute in another unit.
    var writesFirstTokenInMilliseconds: Bool { name.hasPrefix("strands.") }

    /// Logfire's, which report a stream twice: when it is opened, and when it has ended.
    private static let streamScopes: Set<String> = ["logfire.openai", "logfire.anthropic"]

    /// Whether a call is the opening of a stream that another span reports.
    func opensStream(_ call: CallSpan) -> Bool {
        Self.streamScopes.contains(name) && !call.isFailed && call.usage.isMissing && call.responseID == nil
            && !call.embeds
    }

    /// Whether the input of a span leaves out cached tokens.
    ///
    /// Claude Code writes Anthropic's count as `input_tokens`; its `gen_ai.usage.input_tokens`, which newer versions
    /// have beside it, includes them.
    func excludesCached(_ span: Span) -> Bool {
        let attributes = span.attributes
        if Self.excludingScopes.contains(name) || Self.isEarlyVercel(attributes) { return true }
        return (isClaudeCode || span.isClaudeRequest) && attributes[.claudeInputTokens] != nil
            && SpanAttribute.ofInput.names.allSatisfy { $0 == .claudeInputTokens || attributes[$0] == nil }
    }
}
