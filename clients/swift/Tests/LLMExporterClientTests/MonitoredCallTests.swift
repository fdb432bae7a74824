import Foundation
import Testing

@testable import LLMExporterClient

@Suite("Monitored calls") struct MonitoredCallTests {
    @Test("the whole is measured, and the provider apart")
    func latencies() async throws {
        let record = try await recorded { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                try? await Task.sleep(for: .milliseconds(60))
                for _ in 0..<2 { await call.api { try? await Task.sleep(for: .milliseconds(30)) } }
            }
        }
        let (whole, provider) = (try #require(record.latencyMs), try #require(record.apiLatencyMs))
        #expect(whole >= 120 && provider >= 60 && whole - provider >= 60)
        #expect(record.memoryRssMb ?? 0 > 1)
    }

    @Test("a body without a part of the provider's is the provider's call")
    func withoutAPI() async throws {
        let record = try await recorded { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { _ in }
        }
        #expect(record.latencyMs != nil && record.latencyMs == record.apiLatencyMs)
    }

    @Test("what the body says stays, but for what ties the end to the start")
    func update() async throws {
        struct Refused: Error {}
        let record = try await recorded { monitor in
            try? await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt", id: "mine") { call in
                #expect(call.id == "mine")
                call.update { metrics in
                    (metrics.model, metrics.status, metrics.latency) = ("gpt-5", "refused", .seconds(2))
                    (metrics.id, metrics.agentName) = ("another", "B")
                }
                throw Refused()
            }
        }
        #expect(record.agentName == "A" && record.id == "mine" && record.model == "gpt-5")
        #expect(record.status == "refused" && record.latencyMs == 2000)
    }

    /// Neither is sendable.
    private final class Draft { var text = "" }

    private actor Agent {
        var calls = 0

        func review(_ monitor: LLMMonitor) async -> String {
            let draft = Draft()
            let result = await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                calls += 1
                draft.text = await call.api { "reviewed" }
                return draft
            }
            return result.text
        }
    }

    @Test("a body runs where its caller does, with all that is there")
    func isolation() async throws {
        let agent = Agent()
        _ = try await recorded { monitor in #expect(await agent.review(monitor) == "reviewed") }
        #expect(await agent.calls == 1)
    }

    private struct Record: Decodable {
        var event: String?
        var agentName: String
        var model: String?
        var id: String
        var status: String?
        var latencyMs: Double?
        var apiLatencyMs: Double?
        var memoryRssMb: Double?
    }

    /// The end of the one call that `body` makes, after its start has been checked.
    private func recorded(_ body: (LLMMonitor) async -> Void) async throws -> Record {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url)
        await body(monitor)
        #expect(await monitor.close())
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let records = try server.requests.flatMap(\.lines).map {
            try decoder.decode(Record.self, from: Data($0.utf8))
        }
        let start = try #require(records.first)
        let end = try #require(records.last)
        #expect(records.count == 2 && start.event == "start" && end.event == nil)
        #expect(start.id == end.id && start.agentName == end.agentName)
        return end
    }
}
