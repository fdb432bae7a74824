/// The attributes of spans that are read, by their names in the two generations of OpenTelemetry's conventions for
/// generative AI (semantic-conventions-genai), in OpenInference's and OpenLLMetry's, and in those of single senders.
///
/// Senders spell one name with `_` or with `.` between its words; both are read.
enum SpanAttribute: UInt8, CaseIterable, NamedAttribute {
    // Whether the span is a call.
    case operation
    case kind
    /// OpenLLMetry's, of workflows, tasks, agents and tools.
    case holderKind
    /// OpenLLMetry's, of calls alone.
    case requestType
    case langfuseType
    /// JSON, as all values of MLflow.
    case mlflowType
    case laminarType
    /// Vercel's AI SDK.
    case vercelOperation
    case langsmithKind

    case agent
    case agentName
    case responseID
    /// Claude Code's, which its log records have too.
    case requestID
    case errorType
    case errorClass
    case statusCode
    case httpStatusCode
    case claudeStatusCode

    case provider
    case system
    case llmSystem
    case llmProvider
    case vercelProvider
    case mlflowProvider

    case requestModel
    case llmModel
    case embeddingModel
    case vercelModel
    case langfuseModel
    case mlflowModel
    case responseModel
    case llmResponseModel
    case vercelResponseModel
    /// Claude Code's and MLflow's.
    case plainModel

    case inputTokens
    case promptTokens
    case llmPromptTokens
    case vercelInputTokens
    case vercelPromptTokens
    /// Of embeddings.
    case vercelTokens
    case claudeInputTokens

    case outputTokens
    case completionTokens
    case llmCompletionTokens
    case vercelOutputTokens
    case vercelCompletionTokens
    case claudeOutputTokens

    case totalTokens
    case llmTotalTokens
    case llmUsageTotalTokens
    case vercelTotalTokens

    case cacheReadTokens
    case llmCacheReadTokens
    case vercelCachedTokens
    case vercelCacheReadTokens
    case claudeCacheReadTokens

    case cacheCreationTokens
    case cacheWriteTokens
    case llmCacheWriteTokens
    case vercelCacheWriteTokens
    case claudeCacheCreationTokens

    case reasoningTokens
    case reasoningOutputTokens
    case reasoningDetailTokens
    case llmReasoningTokens
    case vercelReasoningTokens
    case vercelReasoningDetailTokens

    // Counts in one JSON object.
    case langfuseUsage
    case mlflowUsage
    case langsmithUsage
    /// Logfire's: the provider's own object.
    case rawUsage

    // The rest of the bill.
    case anthropicLongWritten
    case detailsLongWritten
    case audioInputTokens
    case llmAudioInput
    case detailsAudioInput
    case audioOutputTokens
    case llmAudioOutput
    case detailsAudioOutput
    case imageInputTokens
    case detailsImageInput
    case imageOutputTokens
    case detailsImageOutput
    case audioCacheRead
    case detailsAudioCacheRead
    case imageCacheRead
    case detailsImageCacheRead
    case detailsWebSearches
    // How the provider served the call.
    case openAIServedTier
    case genAIServedTier
    case anthropicServedTier
    case servedTier
    case openAIRequestedTier
    case genAIRequestedTier
    case anthropicRequestedTier
    case requestedTier
    case speed
    case langfuseParameters
    case metadata
    case vercelMetadata

    // The time to the first token.
    case firstChunkSeconds
    /// openlit writes seconds, Strands milliseconds.
    case firstToken
    case vercelFirstChunkMilliseconds
    case claudeFirstTokenMilliseconds
    /// A time of day, as JSON.
    case langfuseFirstToken
    case isStream
    /// Earlier versions of openlit write it.
    case isStreamOfOpenlit

    case usageCost
    case operationCost
    /// LiteLLM's.
    case totalCost
    /// OpenRouter's.
    case usageTotalCost
    case llmTotalCost

    /// Its name in a body.
    var text: String {
        switch self {
        case .operation: "gen_ai.operation.name"
        case .kind: "openinference.span.kind"
        case .holderKind: "traceloop.span.kind"
        case .requestType: "llm.request.type"
        case .langfuseType: "langfuse.observation.type"
        case .mlflowType: "mlflow.spanType"
        case .laminarType: "lmnr.span.type"
        case .vercelOperation: "ai.operationId"
        case .langsmithKind: "langsmith.span.kind"
        case .agent: "gen_ai.agent.name"
        case .agentName: "agent.name"
        case .responseID: "gen_ai.response.id"
        case .requestID: "request_id"
        case .errorType: "error.type"
        case .errorClass: "error_class"
        case .statusCode: "http.response.status_code"
        case .httpStatusCode: "http.status_code"
        case .claudeStatusCode: "status_code"
        case .provider: "gen_ai.provider.name"
        case .system: "gen_ai.system"
        case .llmSystem: "llm.system"
        case .llmProvider: "llm.provider"
        case .vercelProvider: "ai.model.provider"
        case .mlflowProvider: "mlflow.llm.provider"
        case .requestModel: "gen_ai.request.model"
        case .llmModel: "llm.model_name"
        case .embeddingModel: "embedding.model_name"
        case .vercelModel: "ai.model.id"
        case .langfuseModel: "langfuse.observation.model.name"
        case .mlflowModel: "mlflow.llm.model"
        case .responseModel: "gen_ai.response.model"
        case .plainModel: "model"
        case .inputTokens: "gen_ai.usage.input_tokens"
        case .promptTokens: "gen_ai.usage.prompt_tokens"
        case .llmPromptTokens: "llm.token_count.prompt"
        case .vercelInputTokens: "ai.usage.inputTokens"
        case .vercelPromptTokens: "ai.usage.promptTokens"
        case .vercelTokens: "ai.usage.tokens"
        case .claudeInputTokens: "input_tokens"
        case .outputTokens: "gen_ai.usage.output_tokens"
        case .completionTokens: "gen_ai.usage.completion_tokens"
        case .llmCompletionTokens: "llm.token_count.completion"
        case .vercelOutputTokens: "ai.usage.outputTokens"
        case .vercelCompletionTokens: "ai.usage.completionTokens"
        case .claudeOutputTokens: "output_tokens"
        case .totalTokens: "gen_ai.usage.total_tokens"
        case .llmTotalTokens: "llm.token_count.total"
        case .llmUsageTotalTokens: "llm.usage.total_tokens"
        case .vercelTotalTokens: "ai.usage.totalTokens"
        case .cacheReadTokens: "gen_ai.usage.cache_read.input_tokens"
        case .llmCacheReadTokens: "llm.token_count.prompt_details.cache_read"
        case .vercelCachedTokens: "ai.usage.cachedInputTokens"
        case .vercelCacheReadTokens: "ai.usage.inputTokenDetails.cacheReadTokens"
        case .claudeCacheReadTokens: "cache_read_tokens"
        case .cacheCreationTokens: "gen_ai.usage.cache_creation.input_tokens"
        case .cacheWriteTokens: "gen_ai.usage.cache_write.input_tokens"
        case .llmCacheWriteTokens: "llm.token_count.prompt_details.cache_write"
        case .vercelCacheWriteTokens: "ai.usage.inputTokenDetails.cacheWriteTokens"
        case .claudeCacheCreationTokens: "cache_creation_tokens"
        case .reasoningTokens: "gen_ai.usage.reasoning_tokens"
        case .reasoningOutputTokens: "gen_ai.usage.reasoning.output_tokens"
        case .reasoningDetailTokens: "gen_ai.usage.details.reasoning_tokens"
        case .llmReasoningTokens: "llm.token_count.completion_details.reasoning"
        case .vercelReasoningTokens: "ai.usage.reasoningTokens"
        case .vercelReasoningDetailTokens: "ai.usage.outputTokenDetails.reasoningTokens"
        case .langfuseUsage: "langfuse.observation.usage_details"
        case .mlflowUsage: "mlflow.chat.tokenUsage"
        case .langsmithUsage: "langsmith.metadata.usage_metadata"
        case .rawUsage: "gen_ai.usage.raw"
        case .anthropicLongWritten: "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"
        case .detailsLongWritten: "gen_ai.usage.details.ephemeral_1h_input_tokens"
        case .audioInputTokens: "gen_ai.usage.audio.input_tokens"
        case .llmAudioInput: "llm.token_count.prompt_details.audio"
        case .detailsAudioInput: "gen_ai.usage.details.input_audio_tokens"
        case .audioOutputTokens: "gen_ai.usage.audio.output_tokens"
        case .llmAudioOutput: "llm.token_count.completion_details.audio"
        case .detailsAudioOutput: "gen_ai.usage.details.output_audio_tokens"
        case .imageInputTokens: "gen_ai.usage.image.input_tokens"
        case .detailsImageInput: "gen_ai.usage.details.image_prompt_tokens"
        case .imageOutputTokens: "gen_ai.usage.image.output_tokens"
        case .detailsImageOutput: "gen_ai.usage.details.image_candidates_tokens"
        case .audioCacheRead: "gen_ai.usage.audio.cache_read.input_tokens"
        case .detailsAudioCacheRead: "gen_ai.usage.details.cache_audio_read_tokens"
        case .imageCacheRead: "gen_ai.usage.image.cache_read.input_tokens"
        case .detailsImageCacheRead: "gen_ai.usage.details.image_cache_tokens"
        case .detailsWebSearches: "gen_ai.usage.details.web_search_requests"
        case .openAIServedTier: "openai.response.service_tier"
        case .genAIServedTier: "gen_ai.openai.response.service_tier"
        case .anthropicServedTier: "anthropic.response.service_tier"
        case .servedTier: "gen_ai.response.service_tier"
        case .openAIRequestedTier: "openai.request.service_tier"
        case .genAIRequestedTier: "gen_ai.openai.request.service_tier"
        case .anthropicRequestedTier: "anthropic.request.service_tier"
        case .requestedTier: "gen_ai.request.service_tier"
        case .speed: "speed"
        case .llmResponseModel: "llm.response.model_name"
        case .vercelResponseModel: "ai.response.model"
        case .langfuseParameters: "langfuse.observation.model.parameters"
        case .metadata: "metadata"
        case .vercelMetadata: "ai.response.providerMetadata"
        case .firstChunkSeconds: "gen_ai.response.time_to_first_chunk"
        case .firstToken: "gen_ai.server.time_to_first_token"
        case .vercelFirstChunkMilliseconds: "ai.response.msToFirstChunk"
        case .claudeFirstTokenMilliseconds: "ttft_ms"
        case .langfuseFirstToken: "langfuse.observation.completion_start_time"
        case .isStream: "gen_ai.request.stream"
        case .isStreamOfOpenlit: "gen_ai.request.is_stream"
        case .usageCost: "gen_ai.usage.cost"
        case .operationCost: "operation.cost"
        case .totalCost: "gen_ai.cost.total_cost"
        case .usageTotalCost: "gen_ai.usage.total_cost"
        case .llmTotalCost: "llm.cost.total"
        }
    }

    static let names = AttributeNames<SpanAttribute>()

    static let ofAgent = SpanAttributeList([.agent, .agentName])
    static let ofStatusCode = SpanAttributeList([.statusCode, .httpStatusCode, .claudeStatusCode])
    static let ofProvider = SpanAttributeList([
        .provider, .system, .llmSystem, .llmProvider, .vercelProvider, .mlflowProvider,
    ])
    static let ofModel = SpanAttributeList([
        .requestModel, .llmModel, .embeddingModel, .vercelModel, .langfuseModel, .mlflowModel, .responseModel,
        .plainModel,
    ])
    static let ofInput = SpanAttributeList([
        .inputTokens, .promptTokens, .llmPromptTokens, .vercelInputTokens, .vercelPromptTokens, .vercelTokens,
        .claudeInputTokens,
    ])
    static let ofOutput = SpanAttributeList([
        .outputTokens, .completionTokens, .llmCompletionTokens, .vercelOutputTokens, .vercelCompletionTokens,
        .claudeOutputTokens,
    ])
    static let ofTotal = SpanAttributeList([.totalTokens, .llmTotalTokens, .llmUsageTotalTokens, .vercelTotalTokens])
    static let ofCacheRead = SpanAttributeList([
        .cacheReadTokens, .llmCacheReadTokens, .vercelCachedTokens, .vercelCacheReadTokens, .claudeCacheReadTokens,
    ])
    static let ofCacheWrite = SpanAttributeList([
        .cacheCreationTokens, .cacheWriteTokens, .llmCacheWriteTokens, .vercelCacheWriteTokens,
        .claudeCacheCreationTokens,
    ])
    static let ofReasoning = SpanAttributeList([
        .reasoningTokens, .reasoningOutputTokens, .reasoningDetailTokens, .llmReasoningTokens, .vercelReasoningTokens,
        .vercelReasoningDetailTokens,
    ])
    static let ofCacheWrite1h = SpanAttributeList([.anthropicLongWritten, .detailsLongWritten])
    static let ofInputAudio = SpanAttributeList([.audioInputTokens, .llmAudioInput, .detailsAudioInput])
    static let ofOutputAudio = SpanAttributeList([.audioOutputTokens, .llmAudioOutput, .detailsAudioOutput])
    static let ofInputImage = SpanAttributeList([.imageInputTokens, .detailsImageInput])
    static let ofOutputImage = SpanAttributeList([.imageOutputTokens, .detailsImageOutput])
    static let ofCachedAudio = SpanAttributeList([.audioCacheRead, .detailsAudioCacheRead])
    static let ofCachedImage = SpanAttributeList([.imageCacheRead, .detailsImageCacheRead])
    static let ofWebSearches = SpanAttributeList([.detailsWebSearches])
    static let ofRare = SpanAttributeList(
        [ofCacheWrite1h, ofInputAudio, ofOutputAudio, ofInputImage, ofOutputImage, ofWebSearches].flatMap(\.names))
    static let ofServedTier = SpanAttributeList([
        .openAIServedTier, .genAIServedTier, .anthropicServedTier, .servedTier,
    ])
    static let ofRequestedTier = SpanAttributeList([
        .openAIRequestedTier, .genAIRequestedTier, .anthropicRequestedTier, .requestedTier,
    ])
    static let ofMetadata = SpanAttributeList([.vercelMetadata, .metadata])
    /// Those of `SpanBill`.
    static let ofBill = SpanAttributeList(
        ofServedTier.names + ofRequestedTier.names + ofMetadata.names + [.speed, .langfuseParameters])
    static let ofResponseModel = SpanAttributeList([
        .responseModel, .llmResponseModel, .vercelResponseModel, .mlflowModel,
    ])
    static let ofUsage = SpanAttributeList([.langfuseUsage, .mlflowUsage, .langsmithUsage])
    static let ofFirstToken = SpanAttributeList([
        .firstChunkSeconds, .firstToken, .vercelFirstChunkMilliseconds, .claudeFirstTokenMilliseconds,
        .langfuseFirstToken,
    ])
    static let ofCost = SpanAttributeList([.usageCost, .operationCost, .totalCost, .usageTotalCost, .llmTotalCost])
}

/// Attributes that say one thing: if a span has several of them, the first in the list counts.
struct SpanAttributeList {
    let names: [SpanAttribute]
    /// A bit for each of them.
    let bits: UInt128

    init(_ names: [SpanAttribute]) {
        self.names = names
        bits = names.reduce(0) { $0 | $1.bit }
    }
}

extension SpanAttribute {
    var bit: UInt128 { 1 << UInt128(rawValue) }
}
