/// One finished LLM call, as the exporter counts it.
///
/// Only the three names are required. Leave out what you do not know: 0 counts as measured. If a value is outside its
/// bounds, it is left out, or a name or word is corrected, and the call still counts: see `Statistics.mended`.
public struct LLMCallMetrics: Equatable, Sendable {
    /// The agent. 1 to 256 bytes of UTF-8, no control characters, not beginning with `_`; the next two are alike.
    public var agentName: String
    /// The provider, as price tables name it: `openai`, `anthropic`.
    public var provider: String
    /// The model that was asked for.
    public var model: String
    /// The model that answered, if the provider says so. Prices are looked up by `model`, then by this. As `model`.
    public var responseModel: String?

    /// How the call ended.
    public var status: LLMCallStatus
    /// The kind of error, `[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}`; only if `status` is not `success`.
    public var errorType: String?

    /// Tokens sent, including those read from and written to a cache. All tokens are from 0 to 1e12.
    public var inputTokens: Int?
    /// Tokens received, including reasoning.
    public var outputTokens: Int?
    /// Only if it is not input plus output.
    public var totalTokens: Int?
    /// Part of the input. Read and written together are at most the input.
    public var cacheReadTokens: Int?
    /// Part of the input.
    public var cacheWriteTokens: Int?
    /// Part of `cacheWriteTokens`: kept for an hour or longer.
    public var cacheWrite1hTokens: Int?
    /// Part of the output.
    public var reasoningTokens: Int?
    /// Part of the input that no cache gave or took. Read, written, audio and images together are at most the input.
    public var inputAudioTokens: Int?
    /// Part of the output. Reasoning, audio and images together are at most the output.
    public var outputAudioTokens: Int?
    /// Part of the input that no cache gave or took.
    public var inputImageTokens: Int?
    /// Part of the output.
    public var outputImageTokens: Int?

    /// Searches of the web that the provider bills for, 0 to 1e6.
    public var webSearchRequests: Int?
    /// Which of the provider's fees for a search applies. If nil, the provider's default.
    public var searchContextSize: LLMSearchContextSize?
    /// How the provider served the call, `[a-z][a-z0-9_]{0,31}`: `batch`, `flex` and `priority` have prices of their
    /// own.
    public var serviceTier: String?

    /// US dollars, 0 to 1e6. If nil, the exporter computes it from its price table, or counts the call as unpriced.
    public var costUSD: Double?
    /// How the call is paid for. If nil, by the call, unless the exporter's configuration says otherwise.
    public var billing: LLMBilling?

    /// The time of the whole call, at most a day.
    public var latency: Duration?
    /// The time spent waiting for the provider, at most a day.
    public var apiLatency: Duration?
    /// From the request to the first token, of streams; at most a day, and at most `latency`.
    public var timeToFirstToken: Duration?

    /// Resident memory of this process, in MB of 1024 × 1024 bytes.
    public var memoryResidentMB: Double?
    /// Memory available on the host, in the same unit.
    public var memoryAvailableMB: Double?

    /// Unique within `agentName`, 1 to 256 bytes. If nil, the client makes one. Either way a retry counts once.
    public var id: String?
    /// Unix seconds, for the exemplar. If nil, the time of recording.
    public var timestamp: Double?
    /// 1 to 64 hex digits: makes the call an exemplar of its latency buckets.
    public var traceID: String?

    /// A successful call of which only these values are known.
    public init(
        agentName: String,
        provider: String,
        model: String,
        responseModel: String? = nil,
        status: LLMCallStatus = .success,
        errorType: String? = nil,
        inputTokens: Int? = nil,
        outputTokens: Int? = nil,
        totalTokens: Int? = nil,
        cacheReadTokens: Int? = nil,
        cacheWriteTokens: Int? = nil,
        cacheWrite1hTokens: Int? = nil,
        reasoningTokens: Int? = nil,
        inputAudioTokens: Int? = nil,
        outputAudioTokens: Int? = nil,
        inputImageTokens: Int? = nil,
        outputImageTokens: Int? = nil,
        webSearchRequests: Int? = nil,
        searchContextSize: LLMSearchContextSize? = nil,
        serviceTier: String? = nil,
        costUSD: Double? = nil,
        billing: LLMBilling? = nil,
        latency: Duration? = nil,
        apiLatency: Duration? = nil,
        timeToFirstToken: Duration? = nil,
        memoryResidentMB: Double? = nil,
        memoryAvailableMB: Double? = nil,
        id: String? = nil,
        timestamp: Double? = nil,
        traceID: String? = nil
    ) {
        self.agentName = agentName
        self.provider = provider
        self.model = model
        self.responseModel = responseModel
        self.status = status
        self.errorType = errorType
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.totalTokens = totalTokens
        self.cacheReadTokens = cacheReadTokens
        self.cacheWriteTokens = cacheWriteTokens
        self.cacheWrite1hTokens = cacheWrite1hTokens
        self.reasoningTokens = reasoningTokens
        self.inputAudioTokens = inputAudioTokens
        self.outputAudioTokens = outputAudioTokens
        self.inputImageTokens = inputImageTokens
        self.outputImageTokens = outputImageTokens
        self.webSearchRequests = webSearchRequests
        self.searchContextSize = searchContextSize
        self.serviceTier = serviceTier
        self.costUSD = costUSD
        self.billing = billing
        self.latency = latency
        self.apiLatency = apiLatency
        self.timeToFirstToken = timeToFirstToken
        self.memoryResidentMB = memoryResidentMB
        self.memoryAvailableMB = memoryAvailableMB
        self.id = id
        self.timestamp = timestamp
        self.traceID = traceID
    }
}

/// How a call ended: one of those below, or a word of yours, `[a-z][a-z0-9_]{0,31}`.
///
/// The exporter counts anything but `success` as an error.
public struct LLMCallStatus: RawRepresentable, ExpressibleByStringLiteral, Hashable, Sendable {
    /// The word that is sent.
    public var rawValue: String

    /// A status by its word.
    public init(rawValue: String) { self.rawValue = rawValue }

    /// A status by its word.
    public init(stringLiteral value: String) { rawValue = value }

    /// It returned what it was asked for.
    public static let success: LLMCallStatus = "success"
    /// It failed, for a reason that has no word of its own.
    public static let error: LLMCallStatus = "error"
    /// It took too long.
    public static let timeout: LLMCallStatus = "timeout"
    /// Its caller gave it up.
    public static let cancelled: LLMCallStatus = "cancelled"
    /// The provider refused it because there were too many.
    public static let rateLimited: LLMCallStatus = "rate_limited"
}

/// How a call is paid for.
public enum LLMBilling: String, Sendable, CaseIterable {
    /// By the call.
    case metered
    /// By a subscription: the exporter shows apart what the call would cost.
    case plan
}

/// How much of the web a search reads.
public enum LLMSearchContextSize: String, Sendable, CaseIterable {
    case low, medium, high
}
