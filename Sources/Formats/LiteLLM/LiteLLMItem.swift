/// One item of LiteLLM's logger, as far as it is read.
struct LiteLLMItem {
    private let object: JSONObject

    /// - Parameter object: read with `keyTable`.
    init(_ object: JSONObject) {
        self.object = object
    }

    subscript(key: Key) -> JSONValue { object[place: key.rawValue] }

    static let keyTable = Key.allCases.map { $0.path + "\n" }.joined()

    enum Key: Int, CaseIterable {
        case status, provider, model, callID, startTime, endTime, isStream, errorClass
        case promptTokens, completionTokens
        case cachedTokens, cacheReadTokens, cacheCreationTokens, cacheWrittenTokens, reasoningTokens
        case cost, costFailure, zeroCost
        case requesterAgent, loggedAgent, tags, keyAlias

        fileprivate var path: String {
            switch self {
            case .status: "status"
            case .provider: "custom_llm_provider"
            case .model: "model"
            case .callID: "litellm_call_id"
            case .startTime: "startTime"
            case .endTime: "endTime"
            case .isStream: "stream"
            case .errorClass: "error_information.error_class"
            case .promptTokens: "prompt_tokens"
            case .completionTokens: "completion_tokens"
            case .cachedTokens: "metadata.usage_object.prompt_tokens_details.cached_tokens"
            case .cacheReadTokens: "metadata.usage_object.cache_read_input_tokens"
            case .cacheCreationTokens: "metadata.usage_object.prompt_tokens_details.cache_creation_tokens"
            case .cacheWrittenTokens: "metadata.usage_object.cache_creation_input_tokens"
            case .reasoningTokens: "metadata.usage_object.completion_tokens_details.reasoning_tokens"
            case .cost: "response_cost"
            case .costFailure: "response_cost_failure_debug_info"
            case .zeroCost: "zero_cost_diagnostic"
            case .requesterAgent: "metadata.requester_metadata.agent_name"
            case .loggedAgent: "metadata.spend_logs_metadata.agent_name"
            case .tags: "request_tags"
            case .keyAlias: "metadata.user_api_key_alias"
            }
        }
    }
}
