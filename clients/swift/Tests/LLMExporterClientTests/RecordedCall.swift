import Foundation
import Testing

@testable import LLMExporterClient

/// The record of a monitored call, as it was sent.
struct RecordedCall: Decodable {
    var event: String?
    var agentName: String
    var model: String?
    var id: String
    var status: String?
    var errorType: String?
    var inputTokens: Int?
    var outputTokens: Int?
    var serviceTier: String?
    var searchContextSize: String?
    var responseModel: String?
    var webSearchRequests: Int?
    var billing: String?
    var latencyMs: Double?
    var apiLatencyMs: Double?
    var ttftMs: Double?
    var memoryRssMb: Double?

    /// The end of the one call that `body` makes, after its start has been checked.
    static func of(_ body: (LLMMonitor) async -> Void) async throws -> RecordedCall {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url)
        await body(monitor)
        #expect(await monitor.close() && monitor.statistics.mended == 0)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let records = try server.requests.flatMap(\.lines).map {
            try decoder.decode(RecordedCall.self, from: Data($0.utf8))
        }
        let start = try #require(records.first)
        let end = try #require(records.last)
        #expect(records.count == 2 && start.event == "start" && end.event == nil)
        #expect(start.id == end.id && start.agentName == end.agentName)
        return end
    }
}
