internal import FoundationEssentials

/// One finished call: its tokens, its latencies, and the memory of the process at its end.
struct MeasuredCall: Equatable, Sendable {
    let id: String
    let usage: Usage
    /// From the first phase to the last measurement, without the posts to the exporter.
    let latencyMicroseconds: Int64
    /// The model's part of the latency.
    let apiLatencyMicroseconds: Int64
    let memory: MemoryReading

    var cost: CallCost { CallCost(of: usage) }

    /// The record that ends the call.
    var record: SentRecord {
        SentRecord(
            event: "end", agentName: ReviewerDay.agent, id: id, provider: ReviewerDay.provider,
            model: ReviewerDay.model, status: "success", inputTokens: usage.inputTokens,
            outputTokens: usage.outputTokens, costUSD: cost.usd,
            latencyMilliseconds: Decimal(latencyMicroseconds) / 1000,
            apiLatencyMilliseconds: Decimal(apiLatencyMicroseconds) / 1000,
            memoryResidentMB: memory.residentMB, memoryAvailableMB: memory.availableMB)
    }
}
