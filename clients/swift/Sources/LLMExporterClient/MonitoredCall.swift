import Synchronization

/// A call in flight: what the body of `LLMMonitor.withMonitoredCall` is given.
///
/// May be used by several tasks at once, and until the body has returned: what is said later changes nothing.
public final class MonitoredCall: Sendable {
    /// What the exporter knows the call by, from its start to its end.
    public let id: String

    private struct State {
        var metrics: LLMCallMetrics
        var apiLatency: Duration?
    }

    private let state: Mutex<State>
    private let began = ContinuousClock.now

    init(_ metrics: LLMCallMetrics, id: String) {
        self.id = id
        var metrics = metrics
        metrics.id = id
        state = Mutex(State(metrics: metrics))
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
        update { metrics in
            metrics.inputTokens = Self.sum(metrics.inputTokens, input)
            metrics.outputTokens = Self.sum(metrics.outputTokens, output)
            metrics.cacheReadTokens = Self.sum(metrics.cacheReadTokens, cacheRead)
            metrics.cacheWriteTokens = Self.sum(metrics.cacheWriteTokens, cacheWrite)
            metrics.reasoningTokens = Self.sum(metrics.reasoningTokens, reasoning)
            metrics.totalTokens = Self.sum(metrics.totalTokens, total)
        }
    }

    /// Changes the record in the making: cost, trace id, status and the rest. What is set here stays.
    ///
    /// A change of `id` or `agentName` is lost: the call would count as active until its lease ends.
    public func update(_ change: (inout LLMCallMetrics) -> Void) {
        state.withLock { state in
            let agentName = state.metrics.agentName
            change(&state.metrics)
            state.metrics.id = id
            state.metrics.agentName = agentName
        }
    }

    /// US dollars of the call, 0 to 1e6. Left out, the exporter computes it from its price table.
    public var costUSD: Double? {
        get { state.withLock { $0.metrics.costUSD } }
        set { state.withLock { $0.metrics.costUSD = newValue } }
    }

    /// 1 to 64 hex digits: makes the call an exemplar of its latency buckets.
    public var traceID: String? {
        get { state.withLock { $0.metrics.traceID } }
        set { state.withLock { $0.metrics.traceID = newValue } }
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
            state.withLock { $0.apiLatency = ($0.apiLatency ?? .zero) + time }
        }
        return try await body()
    }

    /// The record of the call, which has just ended.
    func ended(by error: (any Error)?, isCancelled: Bool) -> LLMCallMetrics {
        let whole = began.duration(to: .now)
        var (metrics, apiLatency) = state.withLock { ($0.metrics, $0.apiLatency) }
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

    private static func sum(_ first: Int?, _ second: Int?) -> Int? {
        guard let first, let second else { return first ?? second }
        let (sum, isOverflow) = first.addingReportingOverflow(second)
        // Out of bounds either way, and told as that.
        return isOverflow ? Int.max : sum
    }
}
