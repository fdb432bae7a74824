/// What a span says of itself: a call of a model, or something that may hold several calls.
enum SpanKind {
    case call
    /// An agent's run, a workflow, a chain, a tool: their tokens are those of the calls within them.
    case holder
    /// It says nothing, as an HTTP request does.
    case unknown

    /// Operations that are calls: those of the conventions (semantic-conventions-genai), Gemini CLI's `llm_call`, and
    /// LiteLLM's call types (litellm.types.utils.CallTypes), which its callback writes in their place.
    private static let operations: Set<String> = [
        "chat", "text_completion", "generate_content", "embeddings", "embedding", "llm_call",
        "completion", "acompletion", "atext_completion", "aembedding", "responses", "aresponses", "anthropic_messages",
        "agenerate_content", "generate_content_stream", "agenerate_content_stream", "image_generation",
        "aimage_generation", "image_edit", "aimage_edit", "transcription", "atranscription", "speech", "aspeech",
        "rerank", "arerank", "moderation", "amoderation",
    ]
    /// OpenInference's, MLflow's and Laminar's.
    private static let kinds: Set<String> = ["LLM", "CHAT_MODEL", "EMBEDDING"]
    private static let observations: Set<String> = ["generation", "embedding"]
    /// Calls that need not have tokens, beside embeddings.
    private static let untokened: Set<String> = [
        "image_generation", "aimage_generation", "image_edit", "aimage_edit", "transcription", "atranscription",
        "speech", "aspeech", "rerank", "arerank", "moderation", "amoderation",
    ]
    private static let embeddings: Set<String> = ["embeddings", "embedding", "aembedding"]
    private static let markers = SpanAttributeList([
        .operation, .kind, .holderKind, .requestType, .langfuseType, .mlflowType, .laminarType, .vercelOperation,
        .langsmithKind,
    ])
    private static let vercelCalls = ["doGenerate", "doStream", "doEmbed"]

    /// - Parameter isClaudeRequest: whether the span's name is that of Claude Code's calls.
    init(_ attributes: SpanAttributes, isClaudeRequest: Bool) {
        // Most spans have one of them at most.
        guard isClaudeRequest || attributes.has(Self.markers) else {
            self = .unknown
            return
        }
        func text(_ name: SpanAttribute) -> String? { attributes[name]?.text?.unquoted }
        // The sum of the calls within it stands on each of Vercel's other spans.
        if let operation = text(.vercelOperation) {
            self = Self.vercelCalls.contains { operation.hasSuffix("." + $0) } ? .call : .holder
            return
        }
        // LangSmith gives templates of prompts and retrievers the operations of calls.
        if let kind = text(.langsmithKind) {
            self = kind == "llm" || kind == "embedding" ? .call : .holder
            return
        }
        // Gemini CLI's, of which some versions say nothing in it: their log records report the call.
        if text(.operation) == "llm_call", !attributes.has(SpanAttribute.ofModel) {
            self = .unknown
            return
        }
        let isCall =
            isClaudeRequest || attributes[.requestType] != nil
            || text(.operation).map(Self.operations.contains) == true
            || [.kind, .mlflowType, .laminarType].contains { text($0).map(Self.kinds.contains) == true }
            || text(.langfuseType).map(Self.observations.contains) == true
        self = isCall ? .call : .holder
    }

    /// Whether a span that is a call can have succeeded without any tokens.
    static func mayHaveNoTokens(_ attributes: SpanAttributes) -> Bool {
        embeds(attributes) || attributes[.operation]?.text.map { untokened.contains($0.unquoted) } == true
    }

    /// Whether a span that is a call makes embeddings, not an answer.
    static func embeds(_ attributes: SpanAttributes) -> Bool {
        func text(_ name: SpanAttribute) -> String? { attributes[name]?.text?.unquoted }
        return text(.operation).map(embeddings.contains) == true || text(.langfuseType) == "embedding"
            || [.kind, .mlflowType].contains { text($0) == "EMBEDDING" }
            || text(.vercelOperation)?.hasSuffix(".doEmbed") == true
    }
}

extension String {
    /// Without the quotes of a JSON string, as MLflow writes all of its values.
    var unquoted: String {
        let quote = UInt8(ascii: "\"")
        guard utf8.first == quote, utf8.last == quote, utf8.count > 2, !utf8.contains(UInt8(ascii: "\\")) else {
            return self
        }
        return String(dropFirst().dropLast())
    }
}
