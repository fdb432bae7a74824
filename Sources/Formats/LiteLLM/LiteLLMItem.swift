/// One item of LiteLLM's logger, as far as it is read.
struct LiteLLMItem {
    private let object: JSONObject

    /// - Parameter object: read with `keyTable`.
    init(_ object: JSONObject) {
        self.object = object
    }

    /// The first of these values that is a number above 0, else the last. A call reports a count under several names,
    /// and leaves some of them at 0.
    func firstAboveZero<let count: Int>(_ keys: InlineArray<count, Key>) -> JSONValue {
        var last = JSONValue.absent
        for place in keys.indices {
            let value = self[keys[place]]
            if value.isAbsent { continue }
            if value.isAboveZero { return value }
            last = value
        }
        return last
    }

    subscript(key: Key) -> JSONValue { object[place: key.rawValue] }

    static let keyTable = Key.allCases.map { $0.path + "\n" }.joined()

    enum Key: Int, CaseIterable {
        case status, callType, provider, model, callID, startTime, endTime, completionStartTime, isStream
        case errorClass, errorCode
        case promptTokens, completionTokens
        case cachedTokens, inputCachedTokens, cacheReadTokens
        case cacheWriteTokens, cacheCreationTokens, inputCacheWriteTokens, cacheCreationInputTokens
        case detailedCacheCreationInputTokens
        case cacheWrite1h, cacheWrite12h, rawCacheWrite1h
        case reasoningTokens, outputReasoningTokens
        case audioInput, audioCached, audioOutput, imageInput, imageCached, imageOutput
        case servedTier, usageTier, billedTier, requestedTier, usageSpeed
        case webSearches, promptWebSearches, searchQueries
        case usageContextSize, optionContextSize, requestedContextSize
        case pricedModel, responseModel, usesClientSubscription
        case cost, costFailure, zeroCost
        case requesterAgent, loggedAgent, tags, keyAlias
        case records, payload

        fileprivate var path: String {
            switch self {
            case .status: "status"
            case .callType: "call_type"
            case .provider: "custom_llm_provider"
            case .model: "model"
            case .callID: "litellm_call_id"
            case .startTime: "startTime"
            case .endTime: "endTime"
            case .completionStartTime: "completionStartTime"
            case .isStream: "stream"
            case .errorClass: "error_information.error_class"
            case .errorCode: "error_information.error_code"
            case .promptTokens: "prompt_tokens"
            case .completionTokens: "completion_tokens"
            // Usage as LiteLLM writes it, as the providers' APIs do, and as their raw answers do.
            case .cachedTokens: "metadata.usage_object.prompt_tokens_details.cached_tokens"
            case .inputCachedTokens: "metadata.usage_object.input_tokens_details.cached_tokens"
            case .cacheReadTokens: "metadata.usage_object.cache_read_input_tokens"
            case .cacheWriteTokens: "metadata.usage_object.prompt_tokens_details.cache_write_tokens"
            case .cacheCreationTokens: "metadata.usage_object.prompt_tokens_details.cache_creation_tokens"
            case .inputCacheWriteTokens: "metadata.usage_object.input_tokens_details.cache_write_tokens"
            case .cacheCreationInputTokens: "metadata.usage_object.cache_creation_input_tokens"
            case .detailedCacheCreationInputTokens:
                "metadata.usage_object.prompt_tokens_details.cache_creation_input_tokens"
            case .reasoningTokens: "metadata.usage_object.completion_tokens_details.reasoning_tokens"
            case .outputReasoningTokens: "metadata.usage_object.output_tokens_details.reasoning_tokens"
            case .cacheWrite1h:
                "metadata.usage_object.prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens"
            case .cacheWrite12h:
                "metadata.usage_object.prompt_tokens_details.cache_creation_token_details.ephemeral_12h_input_tokens"
            case .rawCacheWrite1h: "metadata.usage_object.cache_creation.ephemeral_1h_input_tokens"
            case .audioInput: "metadata.usage_object.prompt_tokens_details.audio_tokens"
            case .audioCached: "metadata.usage_object.prompt_tokens_details.cached_tokens_details.audio_tokens"
            case .audioOutput: "metadata.usage_object.completion_tokens_details.audio_tokens"
            case .imageInput: "metadata.usage_object.prompt_tokens_details.image_tokens"
            case .imageCached: "metadata.usage_object.prompt_tokens_details.cached_tokens_details.image_tokens"
            case .imageOutput: "metadata.usage_object.completion_tokens_details.image_tokens"
            case .servedTier: "response.service_tier"
            case .usageTier: "metadata.usage_object.service_tier"
            case .billedTier: "cost_breakdown.service_tier"
            case .requestedTier: "model_parameters.service_tier"
            case .usageSpeed: "metadata.usage_object.speed"
            case .webSearches: "metadata.usage_object.server_tool_use.web_search_requests"
            case .promptWebSearches: "metadata.usage_object.prompt_tokens_details.web_search_requests"
            case .searchQueries: "metadata.usage_object.num_search_queries"
            case .usageContextSize: "metadata.usage_object.search_context_size"
            case .optionContextSize: "standard_built_in_tools_params.web_search_options.search_context_size"
            case .requestedContextSize: "model_parameters.web_search_options.search_context_size"
            case .pricedModel: "model_map_information.model_map_key"
            case .responseModel: "response.model"
            case .usesClientSubscription: "metadata.used_client_oauth_token"
            case .cost: "response_cost"
            case .costFailure: "response_cost_failure_debug_info"
            case .zeroCost: "zero_cost_diagnostic"
            case .requesterAgent: "metadata.requester_metadata.agent_name"
            case .loggedAgent: "metadata.spend_logs_metadata.agent_name"
            case .tags: "request_tags"
            case .keyAlias: "metadata.user_api_key_alias"
            case .records: "records"
            case .payload: "standard_logging_payload"
            }
        }
    }
}
