/// The fields of a record.
///
/// Each has a number for good: digests that are remembered across restarts contain it. A new field takes the next one.
package enum Field: UInt8, CaseIterable, Sendable {
    case agentName = 1
    case provider = 2
    case model = 3
    case status = 4
    case inputTokens = 5
    case outputTokens = 6
    case totalTokens = 7
    case cacheReadTokens = 8
    case cacheWriteTokens = 9
    case reasoningTokens = 10
    case costUSD = 11
    case latencyMilliseconds = 12
    case apiLatencyMilliseconds = 13
    case memoryRSSMegabytes = 14
    case memoryAvailableMegabytes = 15
    case id = 16
    case event = 17
    case timestamp = 18
    case traceID = 19
    case errorType = 20
    case cacheWrite1hTokens = 21
    case inputAudioTokens = 22
    case outputAudioTokens = 23
    case inputImageTokens = 24
    case outputImageTokens = 25
    case serviceTier = 26
    case webSearchRequests = 27
    case searchContextSize = 28
    case responseModel = 29
    case billing = 30
    case timeToFirstTokenMilliseconds = 31

    /// Its name in docs/openapi.yaml, and whether it is a detail: without it, the record still counts as a call, with
    /// its labels, its status and its tokens.
    private var row: (name: String, isDetail: Bool) {
        switch self {
        case .agentName: ("agent_name", false)
        case .provider: ("provider", false)
        case .model: ("model", false)
        case .status: ("status", false)
        case .inputTokens: ("input_tokens", false)
        case .outputTokens: ("output_tokens", false)
        case .totalTokens: ("total_tokens", false)
        case .cacheReadTokens: ("cache_read_tokens", true)
        case .cacheWriteTokens: ("cache_write_tokens", true)
        case .reasoningTokens: ("reasoning_tokens", true)
        case .costUSD: ("cost_usd", true)
        case .latencyMilliseconds: ("latency_ms", true)
        case .apiLatencyMilliseconds: ("api_latency_ms", false)
        case .memoryRSSMegabytes: ("memory_rss_mb", false)
        case .memoryAvailableMegabytes: ("memory_available_mb", false)
        case .id: ("id", true)
        case .event: ("event", false)
        case .timestamp: ("timestamp", true)
        case .traceID: ("trace_id", true)
        case .errorType: ("error_type", true)
        case .cacheWrite1hTokens: ("cache_write_1h_tokens", true)
        case .inputAudioTokens: ("input_audio_tokens", true)
        case .outputAudioTokens: ("output_audio_tokens", true)
        case .inputImageTokens: ("input_image_tokens", true)
        case .outputImageTokens: ("output_image_tokens", true)
        case .serviceTier: ("service_tier", true)
        case .webSearchRequests: ("web_search_requests", true)
        case .searchContextSize: ("search_context_size", true)
        case .responseModel: ("response_model", true)
        case .billing: ("billing", true)
        case .timeToFirstTokenMilliseconds: ("ttft_ms", true)
        }
    }

    var name: String { row.name }
    var isDetail: Bool { row.isDetail }

    /// The places of fields that few records have, and that decide the price: they follow one another.
    static let placesOfBill = Field.cacheWrite1hTokens.place..<Field.billing.place + 1

    /// Its place in `keyTable`.
    var place: Int { Int(rawValue) - 1 }

    /// All names in the order of their numbers, each ended by a line feed.
    static let keyTable = allCases.map { $0.name + "\n" }.joined()
}
