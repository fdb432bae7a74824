import Testing

@testable import LLMExporterClient

@Suite("Monitored calls") struct MonitoredCallTests {
    @Test("the whole is measured, and the provider apart")
    func latencies() async throws {
        let record = try await RecordedCall.of { monitor in
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
        let record = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { _ in }
        }
        #expect(record.latencyMs != nil && record.latencyMs == record.apiLatencyMs)
    }

    @Test("what the body says stays, but for what ties the end to the start")
    func update() async throws {
        struct Refused: Error {}
        let record = try await RecordedCall.of { monitor in
            try? await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt", id: "mine") { call in
                #expect(call.id == "mine")
                call.update { metrics in
                    (metrics.model, metrics.status, metrics.latency) = ("gpt-5", "refused", .seconds(2))
                    (metrics.id, metrics.agentName) = ("another", "B")
                    metrics.timeToFirstToken = .milliseconds(1500)
                    (metrics.billing, metrics.searchContextSize) = (.plan, .high)
                }
                throw Refused()
            }
        }
        #expect(record.agentName == "A" && record.id == "mine" && record.model == "gpt-5")
        #expect(record.status == "refused" && record.latencyMs == 2000)
        #expect(record.ttftMs == 1500 && record.billing == "plan" && record.searchContextSize == "high")
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
        _ = try await RecordedCall.of { monitor in #expect(await agent.review(monitor) == "reviewed") }
        #expect(await agent.calls == 1)
    }
}
