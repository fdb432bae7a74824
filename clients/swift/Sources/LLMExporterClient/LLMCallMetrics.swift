/// One finished LLM call, as the exporter counts it.
///
/// Only the three names are needed; leave out what you do not know, for 0 is a measurement. A value outside its bounds
/// is left out of the record, or a name mended, and the call still counts: see `Statistics.mended`.
public struct LLMCallMetrics: Equatable, Sendable {
    /// Whose call. 1 to 256 bytes of UTF-8, no control characters, not beginning with `_`; so are the next two.
    public var agentName: String
    /// Who answered, as the price tables call it: `openai`, `anthropic`.
    public var provider: String
    /// What answered.
    public var model: String

    /// How it ended.
    public var status: LLMCallStatus
    /// What kind of error, `[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}`; only where `status` is not `success`.
    public var errorType: String?

    /// Tokens sent, those read from and written to a cache included. 0 to 1e12, as are all tokens.
    public var inputTokens: Int?
    /// Tokens received, reasoning included.
    public var outputTokens: Int?
    /// Only where it is not input plus output.
    public var totalTokens: Int?
    /// Part of the input; together with the next at most the input.
    public var cacheReadTokens: Int?
    /// Part of the input.
    public var cacheWriteTokens: Int?
    /// Part of the output.
    public var reasoningTokens: Int?

    /// US dollars, 0 to 1e6. Left out, the exporter computes it from its price table, or counts the call as unpriced.
    public var costUSD: Double?

    /// Of the whole call, at most a day.
    public var latency: Duration?
    /// Spent waiting for the provider, at most a day.
    public var apiLatency: Duration?

    /// Resident memory of this process, in MB of 1024 × 1024 bytes.
    public var memoryResidentMB: Double?
    /// Memory that the host can still give, in the same MB.
    public var memoryAvailableMB: Double?

    /// Unique within `agentName`, 1 to 256 bytes. Left out, one is made: a retry then counts once either way.
    public var id: String?
    /// Unix seconds, for the exemplar. Left out, it is the time of recording.
    public var timestamp: Double?
    /// 1 to 64 hex digits: makes the call an exemplar of its latency buckets.
    public var traceID: String?

    /// A successful call of which nothing but these is known.
    public init(
        agentName: String,
        provider: String,
        model: String,
        status: LLMCallStatus = .success,
        errorType: String? = nil,
        inputTokens: Int? = nil,
        outputTokens: Int? = nil,
        totalTokens: Int? = nil,
        cacheReadTokens: Int? = nil,
        cacheWriteTokens: Int? = nil,
        reasoningTokens: Int? = nil,
        costUSD: Double? = nil,
        latency: Duration? = nil,
        apiLatency: Duration? = nil,
        memoryResidentMB: Double? = nil,
        memoryAvailableMB: Double? = nil,
        id: String? = nil,
        timestamp: Double? = nil,
        traceID: String? = nil
    ) {
        self.agentName = agentName
        self.provider = provider
        self.model = model
        self.status = status
        self.errorType = errorType
        self.inputTokens = inputTokens
        self.outputTokens = outputTokens
        self.totalTokens = totalTokens
        self.cacheReadTokens = cacheReadTokens
        self.cacheWriteTokens = cacheWriteTokens
        self.reasoningTokens = reasoningTokens
        self.costUSD = costUSD
        self.latency = latency
        self.apiLatency = apiLatency
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

    /// It gave what it was asked for.
    public static let success: LLMCallStatus = "success"
    /// It failed, in no way that has a word of its own.
    public static let error: LLMCallStatus = "error"
    /// It took too long.
    public static let timeout: LLMCallStatus = "timeout"
    /// Its caller gave it up.
    public static let cancelled: LLMCallStatus = "cancelled"
    /// The provider refused it for being one too many.
    public static let rateLimited: LLMCallStatus = "rate_limited"
}
