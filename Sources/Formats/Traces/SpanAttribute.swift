/// The attributes of spans that are read, by their names in the two generations of OpenTelemetry's conventions for
/// generative AI (semantic-conventions-genai), in OpenInference's and in OpenLLMetry's.
enum SpanAttribute: String, CaseIterable {
    case operation = "gen_ai.operation.name"
    case kind = "openinference.span.kind"
    /// OpenLLMetry's, of workflows, tasks, agents and tools.
    case holderKind = "traceloop.span.kind"
    case agent = "gen_ai.agent.name"
    case responseID = "gen_ai.response.id"
    case errorType = "error.type"
    case statusCode = "http.response.status_code"

    case provider = "gen_ai.provider.name"
    case system = "gen_ai.system"
    case llmSystem = "llm.system"
    case llmProvider = "llm.provider"

    case requestModel = "gen_ai.request.model"
    case llmModel = "llm.model_name"
    case embeddingModel = "embedding.model_name"
    case responseModel = "gen_ai.response.model"

    case inputTokens = "gen_ai.usage.input_tokens"
    case promptTokens = "gen_ai.usage.prompt_tokens"
    case llmPromptTokens = "llm.token_count.prompt"

    case outputTokens = "gen_ai.usage.output_tokens"
    case completionTokens = "gen_ai.usage.completion_tokens"
    case llmCompletionTokens = "llm.token_count.completion"

    case cacheReadTokens = "gen_ai.usage.cache_read.input_tokens"
    case llmCacheReadTokens = "llm.token_count.prompt_details.cache_read"

    case cacheCreationTokens = "gen_ai.usage.cache_creation.input_tokens"
    case cacheWriteTokens = "gen_ai.usage.cache_write.input_tokens"
    case llmCacheWriteTokens = "llm.token_count.prompt_details.cache_write"

    case reasoningTokens = "gen_ai.usage.reasoning_tokens"
    case reasoningOutputTokens = "gen_ai.usage.reasoning.output_tokens"
    case reasoningDetailTokens = "gen_ai.usage.details.reasoning_tokens"
    case llmReasoningTokens = "llm.token_count.completion_details.reasoning"

    case usageCost = "gen_ai.usage.cost"
    case operationCost = "operation.cost"

    static let names = AttributeNames<SpanAttribute>()

    // If a span has several attributes for one thing, the first in its list counts.
    static let ofProvider: [SpanAttribute] = [.provider, .system, .llmSystem, .llmProvider]
    static let ofModel: [SpanAttribute] = [.requestModel, .llmModel, .embeddingModel, .responseModel]
    static let ofInput: [SpanAttribute] = [.inputTokens, .promptTokens, .llmPromptTokens]
    static let ofOutput: [SpanAttribute] = [.outputTokens, .completionTokens, .llmCompletionTokens]
    static let ofCacheRead: [SpanAttribute] = [.cacheReadTokens, .llmCacheReadTokens]
    static let ofCacheWrite: [SpanAttribute] = [.cacheCreationTokens, .cacheWriteTokens, .llmCacheWriteTokens]
    static let ofReasoning: [SpanAttribute] = [
        .reasoningTokens, .reasoningOutputTokens, .reasoningDetailTokens, .llmReasoningTokens,
    ]
    static let ofCost: [SpanAttribute] = [.usageCost, .operationCost]
}
