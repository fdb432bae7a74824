import NIOConcurrencyHelpers

/// A call in flight: what the body of `LLMMonitor.withMonitoredCall` is given.
///
/// May be used by several tasks at once, and until the body has returned: what is said later changes nothing.
public final class MonitoredCall: Sendable {
    /// What the exporter knows the call by, from its start to its end.
    public let id: String

    private struct State {
        var metrics: LLMCallMetrics
        var apiLatency: Duration?
        var streams: [StreamedAnswer] = []
    }

    private let state: NIOLockedValueBox<State>
    private let began = ContinuousClock.now

    init(_ metrics: LLMCallMetrics, id: String) {
        self.id = id
        var metrics = metrics
        metrics.id = id
        state = NIOLockedValueBox(State(metrics: metrics))
    }

    /// Tokens of an answer, as the exporter means them; those of several answers add up.
    ///
    /// - `input`: tokens sent, those read from and written to a cache included. Anthropic tells them apart: add them.
    /// - `output`: tokens received, reasoning included.
    /// - `cacheRead`, `cacheWrite`: parts of the input.
    /// - `reasoning`: part of the output.
    /// - `total`: only where it is not input plus output.
    public func addUsage(
        input: Int? = nil, output: Int? = nil, cacheRead: Int? = nil, cacheWrite: Int? = nil, reasoning: Int? = nil,
        total: Int? = nil
    ) {
        let usage = TokenUsage(
            input: input, output: output, total: total, cacheRead: cacheRead, cacheWrite: cacheWrite,
            reasoning: reasoning)
        state.withLockedValue { $0.metrics.add(usage) }
    }

    /// Reads the tokens out of what a provider answered, and tells whether it named any; several answers add up.
    ///
    /// - `bytes`: the body of the response, whole: JSON, or server-sent events. Of OpenAI (chat completions, responses,
    ///   embeddings), Anthropic (messages), or who speaks as they do; past 32 MiB it is not read.
    ///
    /// An answer that tells of an error, whatever its HTTP status, makes the call one of that kind.
    @discardableResult
    public func addAnswer(_ bytes: some Sequence<UInt8>) -> Bool {
        var reader = AnswerReader()
        reader.read(Array(bytes))
        let findings = reader.findings
        state.withLockedValue { $0.metrics.add(findings) }
        return findings.usage != nil
    }

    /// Begins an answer that comes bit by bit; give it the bytes as they come.
    ///
    /// What it has told of tokens counts when the body ends, also where the stream broke or was left unfinished.
    public func addStreamedAnswer() -> StreamedAnswer {
        let answer = StreamedAnswer()
        state.withLockedValue { $0.streams.append(answer) }
        return answer
    }

    /// Changes the record in the making: cost, trace id, status and the rest. What is set here stays.
    ///
    /// A change of `id` or `agentName` is lost: the call would count as active until its lease ends.
    public func update(_ change: (inout LLMCallMetrics) -> Void) {
        state.withLockedValue { state in
            let agentName = state.metrics.agentName
            change(&state.metrics)
            state.metrics.id = id
            state.metrics.agentName = agentName
        }
    }

    /// US dollars of the call, 0 to 1e6. Left out, the exporter computes it from its price table.
    public var costUSD: Double? {
        get { state.withLockedValue { $0.metrics.costUSD } }
        set { state.withLockedValue { $0.metrics.costUSD = newValue } }
    }

    /// 1 to 64 hex digits: makes the call an exemplar of its latency buckets.
    public var traceID: String? {
        get { state.withLockedValue { $0.metrics.traceID } }
        set { state.withLockedValue { $0.metrics.traceID = newValue } }
    }

    /// Measures the part of the body that waits for the provider; the times of several parts add up.
    ///
    /// A body without such a part is taken for the provider's call as a whole.
    ///
    /// - Throws: What `body` throws.
    public func api<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        let began = ContinuousClock.now
        defer {
            let time = began.duration(to: .now)
            state.withLockedValue { $0.apiLatency = ($0.apiLatency ?? .zero) + time }
        }
        return try await body()
    }

    /// The record of the call, which has just ended.
    func ended(by error: (any Error)?, isCancelled: Bool) -> LLMCallMetrics {
        let whole = began.duration(to: .now)
        var (metrics, apiLatency, streams) = state.withLockedValue { ($0.metrics, $0.apiLatency, $0.streams) }
        for stream in streams { metrics.add(stream.findings) }
        metrics.latency = metrics.latency ?? whole
        // Parts that ran side by side add up to more than the whole.
        metrics.apiLatency = metrics.apiLatency ?? min(apiLatency ?? whole, whole)
        metrics.memoryResidentMB = metrics.memoryResidentMB ?? ProcessMemory.residentMB()
        metrics.memoryAvailableMB = metrics.memoryAvailableMB ?? ProcessMemory.availableMB()
        if let error, metrics.status == .success {
            let failure = Failure(error, isCancelled: isCancelled)
            metrics.status = failure.status
            metrics.errorType = metrics.errorType ?? failure.errorType
        }
        return metrics
    }
}

/// An answer of a provider that is read while it comes: see `MonitoredCall.addStreamedAnswer`.
public final class StreamedAnswer: Sendable {
    private let reader = NIOLockedValueBox(AnswerReader())

    fileprivate init() {}

    fileprivate var findings: AnswerReader.Findings { reader.withLockedValue { $0.findings } }

    /// Reads the next bytes of the response's body, whatever their number.
    public func read(_ bytes: some Sequence<UInt8>) {
        let bytes = Array(bytes)
        reader.withLockedValue { $0.read(bytes) }
    }
}

extension LLMCallMetrics {
    fileprivate mutating func add(_ usage: TokenUsage) {
        let known = TokenUsage(
            input: inputTokens, output: outputTokens, total: totalTokens, cacheRead: cacheReadTokens,
            cacheWrite: cacheWriteTokens, reasoning: reasoningTokens)
        let sum = known.adding(usage)
        (inputTokens, outputTokens, totalTokens) = (sum.input, sum.output, sum.total)
        (cacheReadTokens, cacheWriteTokens, reasoningTokens) = (sum.cacheRead, sum.cacheWrite, sum.reasoning)
    }

    fileprivate mutating func add(_ findings: AnswerReader.Findings) {
        if let usage = findings.usage { add(usage) }
        if let failure = findings.failure, status == .success {
            let isLimit = failure == "429" || failure.contains("rate_limit")
            (status, errorType) = (isLimit ? .rateLimited : .error, failure)
        }
    }
}
