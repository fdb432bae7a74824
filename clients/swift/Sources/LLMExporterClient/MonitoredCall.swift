import NIOConcurrencyHelpers

/// A call in flight, as the body of `LLMMonitor.withMonitoredCall` receives it.
///
/// May be used by several tasks at once. After the body has returned, nothing that is added changes the record.
public final class MonitoredCall: Sendable {
    /// The id by which the exporter knows the call, from its start to its end.
    public let id: String

    private struct State {
        var metrics: LLMCallMetrics
        var apiLatency: Duration?
        var streams: [StreamedAnswer] = []
    }

    private let state: NIOLockedValueBox<State>
    private let began: ContinuousClock.Instant
    /// When the newest request to the provider began, as far as `api` says it; shared with the streams.
    private let requested: NIOLockedValueBox<ContinuousClock.Instant>

    init(_ metrics: LLMCallMetrics, id: String) {
        self.id = id
        var metrics = metrics
        metrics.id = id
        state = NIOLockedValueBox(State(metrics: metrics))
        began = .now
        requested = NIOLockedValueBox(began)
    }

    /// Adds tokens of an answer, as the exporter counts them; those of several answers add up.
    ///
    /// - `input`: tokens sent, including those read from and written to a cache. Anthropic and Bedrock report these
    ///   apart: add them.
    /// - `output`: tokens received, including reasoning. Gemini reports that apart: add it.
    /// - `cacheRead`, `cacheWrite`: parts of the input; `cacheWrite1h`: the part of `cacheWrite` that is kept for an
    ///   hour or longer.
    /// - `reasoning`: part of the output.
    /// - `inputAudio`, `inputImage`: parts of the input that no cache gave or took.
    /// - `outputAudio`, `outputImage`: parts of the output.
    /// - `total`: only if it is not input plus output.
    /// - `webSearches`: searches of the web that the provider bills for.
    public func addUsage(
        input: Int? = nil, output: Int? = nil, cacheRead: Int? = nil, cacheWrite: Int? = nil, cacheWrite1h: Int? = nil,
        reasoning: Int? = nil, inputAudio: Int? = nil, outputAudio: Int? = nil, inputImage: Int? = nil,
        outputImage: Int? = nil, total: Int? = nil, webSearches: Int? = nil
    ) {
        let usage = TokenUsage(
            input: input, output: output, total: total, cacheRead: cacheRead, cacheWrite: cacheWrite,
            cacheWrite1h: cacheWrite1h, reasoning: reasoning, inputAudio: inputAudio, outputAudio: outputAudio,
            inputImage: inputImage, outputImage: outputImage, webSearches: webSearches)
        state.withLockedValue { $0.metrics.usage = $0.metrics.usage.adding(usage) }
    }

    /// Reads what a provider answered: tokens, searches, the model that answered, and the service tier. The tokens of
    /// several answers add up; of the rest the first answer counts, and values that were set before stay.
    ///
    /// An answer that reports an error makes the call an error of that kind, also with an HTTP status of 200.
    ///
    /// - `bytes`: the whole body of the response: JSON, or server-sent events. Known are the answers of OpenAI (chat
    ///   completions, responses, embeddings, images, transcriptions), Anthropic (messages), Gemini, Bedrock (Converse),
    ///   and providers that answer as they do. A body above 32 MiB is not read.
    /// - Returns: Whether the answer reports tokens.
    @discardableResult
    public func addAnswer(_ bytes: some Sequence<UInt8>) -> Bool {
        var reader = AnswerReader()
        reader.read(Array(bytes))
        let findings = reader.findings
        state.withLockedValue { $0.metrics.add(findings) }
        return findings.usage != nil
    }

    /// Begins an answer that comes in parts: give its bytes to the result as they come.
    ///
    /// Its usage so far counts when the body ends, also if the stream broke or was left unfinished. If the body
    /// returns before the provider has announced the end of the newest stream, the call counts as cancelled. The time
    /// to the first token is measured from the beginning of the newest `api`, or else of the call.
    public func addStreamedAnswer() -> StreamedAnswer {
        let answer = StreamedAnswer(requested: requested)
        state.withLockedValue { $0.streams.append(answer) }
        return answer
    }

    /// Changes the record before it is sent: cost, status, billing and the rest. Values that are set here are kept.
    ///
    /// A change of `id` or `agentName` has no effect: the call would count as active until its lease ends.
    public func update(_ change: (inout LLMCallMetrics) -> Void) {
        state.withLockedValue { state in
            let agentName = state.metrics.agentName
            change(&state.metrics)
            state.metrics.id = id
            state.metrics.agentName = agentName
        }
    }

    /// US dollars of the call, 0 to 1e6. If nil, the exporter computes it from its price table.
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
    /// If a body has no such part, the whole body counts as the provider's time.
    ///
    /// - Throws: What `body` throws.
    public func api<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        let began = ContinuousClock.now
        requested.withLockedValue { $0 = began }
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
        let findings = streams.map(\.findings)
        for findings in findings { metrics.add(findings) }
        let latency = metrics.latency ?? whole
        metrics.latency = latency
        if metrics.timeToFirstToken == nil {
            // A latency of the caller's own may be below what was measured here.
            metrics.timeToFirstToken = streams.lazy.compactMap(\.timeToFirstToken).first.flatMap {
                $0 <= latency ? $0 : nil
            }
        }
        // Parts that ran at the same time add up to more than the whole.
        metrics.apiLatency = metrics.apiLatency ?? min(apiLatency ?? whole, whole)
        metrics.memoryResidentMB = metrics.memoryResidentMB ?? ProcessMemory.residentMB()
        metrics.memoryAvailableMB = metrics.memoryAvailableMB ?? ProcessMemory.availableMB()
        if let error, metrics.status == .success {
            let failure = Failure(error, isCancelled: isCancelled)
            metrics.status = failure.status
            metrics.errorType = metrics.errorType ?? failure.errorType
        } else if error == nil, metrics.status == .success, findings.last(where: \.isBegun)?.isUnfinished == true {
            // Left early: nothing failed. A stream before the newest may have been tried again.
            metrics.status = .cancelled
        }
        return metrics
    }
}

/// An answer of a provider that is read while it comes: see `MonitoredCall.addStreamedAnswer`.
public final class StreamedAnswer: Sendable {
    private struct State {
        var reader = AnswerReader()
        var timeToFirstToken: Duration?
    }

    private let state = NIOLockedValueBox(State())
    private let requested: NIOLockedValueBox<ContinuousClock.Instant>

    fileprivate init(requested: NIOLockedValueBox<ContinuousClock.Instant>) { self.requested = requested }

    fileprivate var findings: AnswerReader.Findings { state.withLockedValue { $0.reader.findings } }
    fileprivate var timeToFirstToken: Duration? { state.withLockedValue { $0.timeToFirstToken } }

    /// Reads the next bytes of the response's body, whatever their number.
    public func read(_ bytes: some Sequence<UInt8>) {
        let now = ContinuousClock.now
        let bytes = Array(bytes)
        state.withLockedValue { state in
            state.reader.read(bytes)
            if state.timeToFirstToken == nil, state.reader.hasToken {
                // Another task may have begun a request meanwhile.
                state.timeToFirstToken = requested.withLockedValue { max(.zero, $0.duration(to: now)) }
            }
        }
    }
}

extension LLMCallMetrics {
    fileprivate mutating func add(_ findings: AnswerReader.Findings) {
        if let read = findings.usage { usage = usage.adding(read) }
        // The same model says nothing more.
        if findings.model != model { responseModel = responseModel ?? findings.model }
        serviceTier = serviceTier ?? findings.serviceTier
        searchContextSize = searchContextSize ?? findings.searchContextSize
        if let failure = findings.failure, status == .success {
            (status, errorType) = (Failure.status(httpStatus: Int(failure), words: failure), failure)
        }
    }
}
