/// The fields of a record, in the order of docs/openapi.yaml: of several errors the first is told.
package enum Field: Int, CaseIterable, Sendable {
    case agentName, provider, model
    case status
    case inputTokens, outputTokens, totalTokens
    case cacheReadTokens, cacheWriteTokens, reasoningTokens
    case costUSD
    case latencyMilliseconds, apiLatencyMilliseconds
    case memoryRSSMegabytes, memoryAvailableMegabytes
    case id
    case event
    case timestamp
    case traceID
    case errorType

    var name: String {
        switch self {
        case .agentName: "agent_name"
        case .provider: "provider"
        case .model: "model"
        case .status: "status"
        case .inputTokens: "input_tokens"
        case .outputTokens: "output_tokens"
        case .totalTokens: "total_tokens"
        case .cacheReadTokens: "cache_read_tokens"
        case .cacheWriteTokens: "cache_write_tokens"
        case .reasoningTokens: "reasoning_tokens"
        case .costUSD: "cost_usd"
        case .latencyMilliseconds: "latency_ms"
        case .apiLatencyMilliseconds: "api_latency_ms"
        case .memoryRSSMegabytes: "memory_rss_mb"
        case .memoryAvailableMegabytes: "memory_available_mb"
        case .id: "id"
        case .event: "event"
        case .timestamp: "timestamp"
        case .traceID: "trace_id"
        case .errorType: "error_type"
        }
    }

    /// All names, each ended by a line feed; the place of a name is the field's raw value.
    static let keyTable = allCases.map { $0.name + "\n" }.joined()
}
