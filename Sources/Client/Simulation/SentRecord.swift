internal import FoundationEssentials

/// A call record as the reviewer posts it: the start of a call, or its end with every measurement.
struct SentRecord: Encodable, Equatable, Sendable {
    let event: String
    let agentName: String
    let id: String
    var provider: String?
    var model: String?
    var status: String?
    var inputTokens: Int64?
    var outputTokens: Int64?
    var costUSD: Decimal?
    var latencyMilliseconds: Decimal?
    var apiLatencyMilliseconds: Decimal?
    var memoryResidentMB: Double?
    var memoryAvailableMB: Double?

    private enum CodingKeys: String, CodingKey {
        case event, id, provider, model, status
        case agentName = "agent_name"
        case inputTokens = "input_tokens"
        case outputTokens = "output_tokens"
        case costUSD = "cost_usd"
        case latencyMilliseconds = "latency_ms"
        case apiLatencyMilliseconds = "api_latency_ms"
        case memoryResidentMB = "memory_rss_mb"
        case memoryAvailableMB = "memory_available_mb"
    }

    /// The JSON object, keys in alphabetical order, numbers exact.
    func json() throws(SimulationError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(self))
        } catch {
            throw .unreadable(request: "record \(id)", reason: "cannot be written as JSON: \(error)")
        }
    }
}
