internal import FoundationEssentials

/// One finished call: what it used, what it took, and what the process held in memory then.
struct MeasuredCall: Equatable, Sendable {
    let id: String
    let usage: Usage
    /// From the first phase to the last measurement, the sending of records left out.
    let latencyMicroseconds: Int64
    /// The model's part of it.
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
