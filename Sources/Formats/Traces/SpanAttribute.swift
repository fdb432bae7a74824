/// The attributes of spans that are read, by their names in the two generations of OpenTelemetry's conventions for
/// generative AI (semantic-conventions-genai), in OpenInference's and OpenLLMetry's, and in those of single senders.
///
/// Senders spell one name with `_` or with `.` between its words; both are read.
enum SpanAttribute: String, CaseIterable {
    // Whether the span is a call.
    case operation = "gen_ai.operation.name"
    case kind = "openinference.span.kind"
    /// OpenLLMetry's, of workflows, tasks, agents and tools.
    case holderKind = "traceloop.span.kind"
    /// OpenLLMetry's, of calls alone.
    case requestType = "llm.request.type"
    case langfuseType = "langfuse.observation.type"
    /// JSON, as all values of MLflow.
    case mlflowType = "mlflow.spanType"
    case laminarType = "lmnr.span.type"
    /// Vercel's AI SDK.
    case vercelOperation = "ai.operationId"

    case agent = "gen_ai.agent.name"
    case agentName = "agent.name"
    case responseID = "gen_ai.response.id"
    case errorType = "error.type"
    case errorClass = "error_class"
    case statusCode = "http.response.status_code"
    case httpStatusCode = "http.status_code"
    case claudeStatusCode = "status_code"

    case provider = "gen_ai.provider.name"
    case system = "gen_ai.system"
    case llmSystem = "llm.system"
    case llmProvider = "llm.provider"
    case vercelProvider = "ai.model.provider"
    case mlflowProvider = "mlflow.llm.provider"

    case requestModel = "gen_ai.request.model"
    case llmModel = "llm.model_name"
    case embeddingModel = "embedding.model_name"
    case vercelModel = "ai.model.id"
    case langfuseModel = "langfuse.observation.model.name"
    case mlflowModel = "mlflow.llm.model"
    case responseModel = "gen_ai.response.model"
    /// Claude Code's and MLflow's.
    case plainModel = "model"

    case inputTokens = "gen_ai.usage.input_tokens"
    case promptTokens = "gen_ai.usage.prompt_tokens"
    case llmPromptTokens = "llm.token_count.prompt"
    case vercelInputTokens = "ai.usage.inputTokens"
    case vercelPromptTokens = "ai.usage.promptTokens"
    case claudeInputTokens = "input_tokens"

    case outputTokens = "gen_ai.usage.output_tokens"
    case completionTokens = "gen_ai.usage.completion_tokens"
    case llmCompletionTokens = "llm.token_count.completion"
    case vercelOutputTokens = "ai.usage.outputTokens"
    case vercelCompletionTokens = "ai.usage.completionTokens"
    case claudeOutputTokens = "output_tokens"

    case totalTokens = "gen_ai.usage.total_tokens"
    case llmTotalTokens = "llm.token_count.total"
    case llmUsageTotalTokens = "llm.usage.total_tokens"
    case vercelTotalTokens = "ai.usage.totalTokens"

    case cacheReadTokens = "gen_ai.usage.cache_read.input_tokens"
    case llmCacheReadTokens = "llm.token_count.prompt_details.cache_read"
    case vercelCachedTokens = "ai.usage.cachedInputTokens"
    case claudeCacheReadTokens = "cache_read_tokens"

    case cacheCreationTokens = "gen_ai.usage.cache_creation.input_tokens"
    case cacheWriteTokens = "gen_ai.usage.cache_write.input_tokens"
    case llmCacheWriteTokens = "llm.token_count.prompt_details.cache_write"
    case claudeCacheCreationTokens = "cache_creation_tokens"

    case reasoningTokens = "gen_ai.usage.reasoning_tokens"
    case reasoningOutputTokens = "gen_ai.usage.reasoning.output_tokens"
    case reasoningDetailTokens = "gen_ai.usage.details.reasoning_tokens"
    case llmReasoningTokens = "llm.token_count.completion_details.reasoning"
    case vercelReasoningTokens = "ai.usage.reasoningTokens"

    // Counts in one JSON object.
    case langfuseUsage = "langfuse.observation.usage_details"
    case mlflowUsage = "mlflow.chat.tokenUsage"
    case langsmithUsage = "langsmith.metadata.usage_metadata"

    case usageCost = "gen_ai.usage.cost"
    case operationCost = "operation.cost"
    /// LiteLLM's.
    case totalCost = "gen_ai.cost.total_cost"
    /// OpenRouter's.
    case usageTotalCost = "gen_ai.usage.total_cost"
    case llmTotalCost = "llm.cost.total"

    static let names = AttributeNames<SpanAttribute>()

    // If a span has several attributes for one thing, the first in its list counts.
    static let ofAgent: [SpanAttribute] = [.agent, .agentName]
    static let ofErrorType: [SpanAttribute] = [.errorType, .errorClass]
    static let ofStatusCode: [SpanAttribute] = [.statusCode, .httpStatusCode, .claudeStatusCode]
    static let ofProvider: [SpanAttribute] = [
        .provider, .system, .llmSystem, .llmProvider, .vercelProvider, .mlflowProvider,
    ]
    static let ofModel: [SpanAttribute] = [
        .requestModel, .llmModel, .embeddingModel, .vercelModel, .langfuseModel, .mlflowModel, .responseModel,
        .plainModel,
    ]
    static let ofInput: [SpanAttribute] = [
        .inputTokens, .promptTokens, .llmPromptTokens, .vercelInputTokens, .vercelPromptTokens, .claudeInputTokens,
    ]
    static let ofOutput: [SpanAttribute] = [
        .outputTokens, .completionTokens, .llmCompletionTokens, .vercelOutputTokens, .vercelCompletionTokens,
        .claudeOutputTokens,
    ]
    static let ofTotal: [SpanAttribute] = [.totalTokens, .llmTotalTokens, .llmUsageTotalTokens, .vercelTotalTokens]
    static let ofCacheRead: [SpanAttribute] = [
        .cacheReadTokens, .llmCacheReadTokens, .vercelCachedTokens, .claudeCacheReadTokens,
    ]
    static let ofCacheWrite: [SpanAttribute] = [
        .cacheCreationTokens, .cacheWriteTokens, .llmCacheWriteTokens, .claudeCacheCreationTokens,
    ]
    static let ofReasoning: [SpanAttribute] = [
        .reasoningTokens, .reasoningOutputTokens, .reasoningDetailTokens, .llmReasoningTokens, .vercelReasoningTokens,
    ]
    static let ofUsage: [SpanAttribute] = [.langfuseUsage, .mlflowUsage, .langsmithUsage]
    static let ofCost: [SpanAttribute] = [.usageCost, .operationCost, .totalCost, .usageTotalCost, .llmTotalCost]
}
