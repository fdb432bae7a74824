/// The attributes of log records that are read, by their names in Claude Code, Codex and Gemini CLI.
enum LogAttribute: String, NamedAttribute {
    case eventName = "event.name"
    case eventKind = "event.kind"
    case endpoint

    case genAIAgentName = "gen_ai.agent.name"
    case agent = "agent.name"
    case agentName = "agent_name"

    case model
    case anthropicProvider = "anthropic.provider"
    case authType = "auth_type"
    case authMode = "auth_mode"

    case requestID = "request_id"
    case sessionID = "session.id"
    case conversationID = "conversation.id"

    case durationMilliseconds = "duration_ms"
    case firstTokenMilliseconds = "ttft_ms"
    case costUSD = "cost_usd"

    case statusCode = "status_code"
    case responseStatusCode = "http.response.status_code"
    case error
    case errorMessage = "error.message"
    case errorType = "error.type"
    case errorTypeName = "error_type"

    case inputTokens = "input_tokens"
    case outputTokens = "output_tokens"
    case cacheReadTokens = "cache_read_tokens"
    case cacheCreationTokens = "cache_creation_tokens"
    case cacheCreation1hTokens = "cache_creation_1h_tokens"
    case speed

    case inputTokenCount = "input_token_count"
    case outputTokenCount = "output_token_count"
    case cachedTokenCount = "cached_token_count"
    case cacheWriteTokenCount = "cache_write_token_count"
    case reasoningTokenCount = "reasoning_token_count"

    case cachedContentTokenCount = "cached_content_token_count"
    case thoughtsTokenCount = "thoughts_token_count"
    case toolTokenCount = "tool_token_count"
    case totalTokenCount = "total_token_count"

    static let names = AttributeNames<LogAttribute>()

    /// The counts of all senders, in an order that stays the same: ids are made of them.
    static let counts: [LogAttribute] = [
        .inputTokens, .outputTokens, .cacheReadTokens, .cacheCreationTokens, .inputTokenCount, .outputTokenCount,
        .cachedTokenCount, .cacheWriteTokenCount, .reasoningTokenCount, .cachedContentTokenCount, .thoughtsTokenCount,
        .toolTokenCount, .totalTokenCount,
    ]
}
