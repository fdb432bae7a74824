import Testing

@testable import LLMExporterClient

@Suite("With a real exporter", .enabled(if: Exporter.isGiven, "LLM_EXPORTER_BIN names no llm-exporter"))
struct ExporterTests {
    @Test("counts arrive exactly, from many tasks at once")
    func exactCounts() async throws {
        let exporter = try await Exporter()
        let monitor = LLMMonitor.test(exporter.url)
        await withTaskGroup { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in 0..<500 {
                        monitor.record(
                            .of(agentName: "Agent\(task % 3)") { call in
                                (call.inputTokens, call.outputTokens, call.costUSD) = (3, 4, 0.0000691)
                            })
                    }
                }
            }
        }
        #expect(await monitor.flush(within: .seconds(20)))
        let summary = try #require(await monitor.getSummary())
        #expect(summary.totalCalls == 4000 && summary.totalTokens == 28000 && summary.totalCostUSD == 0.2764)
        #expect(summary.agents.mapValues(\.calls) == ["Agent0": 1500, "Agent1": 1500, "Agent2": 1000])
        #expect(summary.models["openai/gpt"]?.calls == 4000)
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (4000, 4000) })
        #expect(await monitor.close())
    }

    @Test("an exporter that is killed and restarted under load counts each record once", arguments: [false, true])
    func restarts(hasSpool: Bool) async throws {
        let exporter = try await Exporter(isDurable: true)
        let folder = TemporaryFolder()
        let monitor = LLMMonitor.test(exporter.url) { $0.spoolFolder = hasSpool ? folder.spool : nil }
        let load = Task {
            for n in 0..<3000 {
                monitor.record(.of(agentName: "Agent\(n % 2)"))
                if n.isMultiple(of: 20) { try await Task.sleep(for: .milliseconds(10)) }
            }
        }
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(Int.random(in: 300...500)))
            try await exporter.kill()
            try await Task.sleep(for: .milliseconds(50))
            try await exporter.start()
        }
        try await load.value
        #expect(await monitor.flush(within: .seconds(30)))
        #expect(await monitor.getSummary()?.totalCalls == 3000)
        let statistics = monitor.statistics
        #expect(statistics.sent + statistics.duplicates == 3000 && statistics.retried > 0)
        #expect(statistics.isAccountedFor)
        await monitor.close()
        #expect(try folder.files() == [])
    }

    @Test("a call is active from its start to its end, then counts with all that is known of it")
    func monitoredCall() async throws {
        let exporter = try await Exporter()
        let monitor = LLMMonitor.test(exporter.url)
        let answer = await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
            #expect(await monitor.flush())
            #expect(await sample("llm_active_calls{agent_name=\"A\"}", monitor) == "1")
            let answer = await call.api { "answer" }
            call.addUsage(input: 100, output: 50, cacheRead: 60, cacheWrite: 10, reasoning: 20)
            call.addUsage(output: 386)
            call.costUSD = 0.5
            call.traceID = "0af7651916cd43dd8448eb211c80319c"
            return answer
        }
        #expect(answer == "answer")
        #expect(await monitor.flush())
        let set = #"agent_name="A",provider="openai",model="gpt""#
        for (series, value) in [
            (#"llm_active_calls{agent_name="A"}"#, "0"), ("llm_calls_total{\(set),status=\"success\"}", "1"),
            ("llm_tokens_total{\(set)}", "536"), ("llm_cost_usd_total{\(set)}", "0.5"),
            ("llm_token_usage_total{\(set),token_type=\"input\"}", "30"),
            ("llm_token_usage_total{\(set),token_type=\"cache_read\"}", "60"),
            ("llm_token_usage_total{\(set),token_type=\"cache_write\"}", "10"),
            ("llm_token_usage_total{\(set),token_type=\"output\"}", "416"),
            ("llm_token_usage_total{\(set),token_type=\"reasoning\"}", "20"),
            ("llm_latency_seconds_count{\(set)}", "1"),
            (#"llm_api_latency_seconds_count{agent_name="A",provider="openai"}"#, "1"),
        ] { #expect(await sample(series, monitor) == value, "\(series)") }
        #expect(Double(await sample(#"llm_memory_rss_mb{agent_name="A"}"#, monitor) ?? "") ?? 0 > 1)
        await monitor.close()
    }

    @Test("the fields of the bill and the time to the first token reach their families")
    func bill() async throws {
        let exporter = try await Exporter()
        let monitor = LLMMonitor.test(exporter.url)
        await monitor.withMonitoredCall(agentName: "A", provider: "anthropic", model: "claude") { call in
            let stream = call.addStreamedAnswer()
            stream.read(
                """
                data: {"type":"message_start","message":{"model":"claude-2025","usage":{"input_tokens":10,
                data: "cache_creation_input_tokens":300,"cache_creation":{"ephemeral_1h_input_tokens":200},
                data: "output_tokens":1}}}

                data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}

                data: {"type":"message_delta","usage":{"output_tokens":50,"server_tool_use":{"web_search_requests":3}}}

                data: {"type":"message_stop"}


                """.utf8)
            call.addUsage(
                input: 100, output: 90, reasoning: 20, inputAudio: 40, outputAudio: 30, inputImage: 25, outputImage: 15)
            (call.costUSD, call.traceID) = (0.5, "0A")
            call.update { $0.billing = .plan }
        }
        #expect(await monitor.flush())
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (2, 2) })
        let set = #"agent_name="A",provider="anthropic",model="claude""#
        let kinds = [
            ("input", 45), ("cache_write", 100), ("cache_write_1h", 200), ("input_audio", 40), ("input_image", 25),
            ("output", 75), ("reasoning", 20), ("output_audio", 30), ("output_image", 15),
        ]
        for (kind, tokens) in kinds {
            let series = "llm_token_usage_total{\(set),token_type=\"\(kind)\"}"
            #expect(await sample(series, monitor) == "\(tokens)", "\(kind)")
        }
        for (series, value) in [
            ("llm_calls_total{\(set),status=\"success\"}", "1"), ("llm_tokens_total{\(set)}", "550"),
            ("llm_time_to_first_token_seconds_count{\(set)}", "1"),
            ("llm_tool_requests_total{\(set),tool=\"web_search\"}", "3"),
            ("llm_plan_equivalent_usd_total{\(set)}", "0.5"), ("llm_cost_usd_total{\(set)}", nil),
        ] { #expect(await sample(series, monitor) == value, "\(series)") }
        await monitor.close()
    }

    @Test("a stream left early is cancelled, of no kind of error, and its usage counts as missing if it had none")
    func leftEarly() async throws {
        let exporter = try await Exporter()
        let monitor = LLMMonitor.test(exporter.url)
        await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
            call.addStreamedAnswer().read("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".utf8)
        }
        #expect(await monitor.flush())
        let set = #"agent_name="A",provider="openai",model="gpt""#
        for (series, value) in [
            ("llm_calls_total{\(set),status=\"cancelled\"}", "1"), ("llm_calls_usage_missing_total{\(set)}", "1"),
            ("llm_errors_total{\(set),error_type=\"unknown\"}", "1"),
            ("llm_time_to_first_token_seconds_count{\(set)}", "1"),
        ] { #expect(await sample(series, monitor) == value, "\(series)") }
        await monitor.close()
    }

    @Test("errors and cancellation are told apart, thrown on, and leave no call active")
    func failures() async throws {
        enum APIError: Error { case overloaded, rateLimited(retryAfter: Int), requestTimedOut }
        let exporter = try await Exporter()
        let monitor = LLMMonitor.test(exporter.url)

        for error in [APIError.overloaded, .rateLimited(retryAfter: 3), .requestTimedOut] {
            await #expect(throws: APIError.self) {
                try await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { _ in throw error
                }
            }
        }
        let calls = (0..<20).map { _ in
            Task {
                try await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { _ in
                    try await Task.sleep(for: .seconds(60))
                }
            }
        }
        try await eventually("all calls began") { monitor.statistics.recorded == 6 + 20 }
        for call in calls { call.cancel() }
        for call in calls { await #expect(throws: CancellationError.self) { try await call.value } }

        #expect(await monitor.flush())
        let set = #"agent_name="A",provider="openai",model="gpt""#
        for (status, count) in [("error", "1"), ("rate_limited", "1"), ("timeout", "1"), ("cancelled", "20")] {
            #expect(await sample("llm_calls_total{\(set),status=\"\(status)\"}", monitor) == count, "\(status)")
        }
        #expect(await sample("llm_errors_total{\(set),error_type=\"APIError.rateLimited\"}", monitor) == "1")
        #expect(await sample("llm_errors_total{\(set),error_type=\"CancellationError\"}", monitor) == "20")
        #expect(await sample(#"llm_active_calls{agent_name="A"}"#, monitor) == "0")
        await monitor.close()
    }

    @Test("reset is false without the admin API, which is warned of once, and true with it")
    func reset() async throws {
        let log = LogBook()
        let plain = try await Exporter()
        let refused = LLMMonitor.test(plain.url, log: log)
        #expect(await refused.resetPrometheus() == false)
        #expect(await refused.resetPrometheus() == false)
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("--web.enable-admin-api") == true)

        let open = try await Exporter(flags: "--web.enable-admin-api")
        let monitor = LLMMonitor.test(open.url)
        monitor.record(.of())
        #expect(await monitor.flush())
        #expect(await monitor.getSummary()?.totalCalls == 1)
        #expect(await monitor.resetPrometheus())
        #expect(await monitor.getSummary()?.totalCalls == 0)
        await refused.close()
        await monitor.close()
    }

    @Test("whatever an agent says is accepted")
    func mended() async throws {
        let exporter = try await Exporter()
        let log = LogBook()
        let monitor = LLMMonitor.test(exporter.url, log: log)
        let names = ["", "_x", "a\nb\u{0}", " ", "é\u{301}\u{85}", String(repeating: "😀", count: 100), "\"\\/\u{7F}"]
        let texts = names + ["Ünknown Error!", "9", "a-b", String(repeating: "x", count: 300)]
        for text in texts {
            monitor.record(
                .of { call in
                    (call.agentName, call.provider, call.model, call.id) = (text, text, text, text)
                    (call.status, call.errorType, call.traceID) = (LLMCallStatus(rawValue: text), text, text)
                })
        }
        for amount in [-1, .nan, .infinity, 1e300, -0.0, .leastNonzeroMagnitude, 1e6] {
            monitor.record(
                .of { call in
                    (call.costUSD, call.memoryResidentMB, call.memoryAvailableMB) = (amount, amount, amount)
                    (call.timestamp, call.traceID) = (amount, "0A")
                })
        }
        for count in [-1, .max, .min, 1_000_000_000_000] {
            monitor.record(
                .of { call in
                    (call.inputTokens, call.outputTokens, call.totalTokens) = (count, count, count)
                    (call.cacheReadTokens, call.cacheWriteTokens, call.reasoningTokens) = (count, count, count)
                })
        }
        for latency in [Duration.seconds(-1), .seconds(864_000), .nanoseconds(1), .zero] {
            monitor.record(.of { ($0.latency, $0.apiLatency) = (latency, latency) })
        }
        #expect(await monitor.flush())
        let statistics = monitor.statistics
        let recorded = texts.count + 7 + 4 + 4
        #expect(statistics.recorded == recorded && statistics.sent == recorded && statistics.mended > 0)
        #expect(log.warnings.allSatisfy { $0.contains("out of bounds") })
        #expect(Set(log.warnings).count == log.warnings.count)
        await monitor.close()
    }

    @Test("records of any values in any combination are accepted", arguments: [1, 2] as [UInt64])
    func wild(seed: UInt64) async throws {
        let exporter = try await Exporter()
        let log = LogBook()
        let monitor = LLMMonitor.test(exporter.url, log: log)
        var calls = WildCalls(seed: seed)
        for _ in 0..<1000 { monitor.record(calls.next()) }
        #expect(await monitor.flush(within: .seconds(30)))
        let statistics = monitor.statistics
        #expect(statistics.sent == 1000 && statistics.rejected == 0 && statistics.mended > 0)
        #expect(log.warnings.allSatisfy { $0.contains("out of bounds") }, "\(log.warnings)")
        await monitor.close()
    }
}

/// The value of a series in a scrape.
private func sample(_ series: String, _ monitor: LLMMonitor) async -> String? {
    let lines = await monitor.getPrometheusMetrics()?.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix(series + " ") }.map { String($0.dropFirst(series.count + 1)) }
}
