import Testing

@testable import LLMExporterClient

@Suite("Record lines") struct RecordLineTests {
    @Test("a call is one line with what is known")
    func line() {
        let call = LLMCallMetrics(
            agentName: "A\"\\é", provider: "openai", model: "gpt", status: .rateLimited, errorType: "API.busy",
            inputTokens: 100, outputTokens: 436, cacheReadTokens: 60, cacheWriteTokens: 40, reasoningTokens: 400,
            costUSD: 0.0002766, latency: .microseconds(150_250), apiLatency: .milliseconds(100), memoryResidentMB: 12.5,
            memoryAvailableMB: 2048, id: "1", traceID: "0af7")
        let line = RecordLine(end: call, recordedAt: 1_750_000_000.5, newID: { "new" })
        #expect(
            text(line) == """
                {"agent_name":"A\\"\\\\é","provider":"openai","model":"gpt","id":"1","status":"rate_limited",\
                "error_type":"API.busy","input_tokens":100,"output_tokens":436,"cache_read_tokens":60,\
                "cache_write_tokens":40,"reasoning_tokens":400,"cost_usd":0.0002766,"latency_ms":150.25,\
                "api_latency_ms":100.0,"memory_rss_mb":12.5,"memory_available_mb":2048.0,"trace_id":"0af7",\
                "timestamp":1750000000.5}

                """)
        #expect(line.agentName == "A\"\\é" && line.mended == [])
    }

    @Test("a start says only whose call began")
    func start() {
        let call = LLMCallMetrics(agentName: "A", provider: "openai", model: "gpt", inputTokens: 1, id: "1")
        let line = RecordLine(start: call, newID: { "new" })
        #expect(text(line) == #"{"event":"start","agent_name":"A","id":"1"}"# + "\n")
    }

    @Test(
        "a name is mended",
        arguments: [
            ("plain", "plain"), ("  two  words ", "two  words"), ("a\r\nb\u{9F}c", "a b c"), ("__x_", "x_"),
            ("", "unknown"), ("_ _", "unknown"),
            (String(repeating: "é", count: 200), String(repeating: "é", count: 128)),
        ])
    func names(given: String, sent: String) { #expect(RecordLine.name(given) == sent) }

    @Test(
        "what does not fit is left out, and told",
        arguments: [
            (LLMCallMetrics.of { $0.latency = .seconds(86_401) }, ["latency_ms"]),
            (.of { $0.costUSD = .nan }, ["cost_usd"]), (.of { $0.costUSD = -0.1 }, ["cost_usd"]),
            (.of { $0.costUSD = .infinity }, ["cost_usd"]),
            (.of { $0.inputTokens = -1 }, ["input_tokens"]), (.of { $0.outputTokens = .max }, ["output_tokens"]),
            (.of { $0.traceID = "xyz" }, ["trace_id"]), (.of { $0.errorType = "E" }, ["error_type"]),
            (.of { $0.id = "" }, ["id"]),
            (.of { ($0.inputTokens, $0.cacheReadTokens, $0.cacheWriteTokens) = (5, 3, 3) }, ["cache_read_tokens"]),
            (.of { ($0.outputTokens, $0.reasoningTokens) = (5, 6) }, ["reasoning_tokens"]),
        ])
    func outOfBounds(call: LLMCallMetrics, fields: [String]) {
        let line = RecordLine(end: call, recordedAt: 0, newID: { "new" })
        #expect(line.mended == fields)
        for field in fields where field != "id" { #expect(!text(line).contains("\"\(field)\"")) }
    }

    @Test(
        "statuses become words",
        arguments: [("timeout", "timeout"), ("Rate Limited!", "rate_limited"), ("42", "error"), ("", "error")])
    func statuses(given: String, sent: String) {
        let line = RecordLine(end: .of { $0.status = LLMCallStatus(rawValue: given) }, recordedAt: 0, newID: { "new" })
        #expect(text(line).contains("\"status\":\"\(sent)\""))
    }

    @Test("long ids that begin alike stay apart, and a start keeps its end")
    func longIDs() {
        let long = String(repeating: "x", count: 300)
        let ids = ["a", "b"].map { LLMCallMetrics.of(id: long + $0) }
        let ends = ids.map { text(RecordLine(end: $0, recordedAt: 0, newID: { "new" })) }
        #expect(ends[0] != ends[1])
        let start = text(RecordLine(start: ids[0], newID: { "new" }))
        let id = start.split(separator: "\"id\":")[1].prefix(40)
        #expect(ends[0].contains(id.prefix(30)))
    }

    @Test("ids never meet")
    func ids() {
        let (first, second) = (RecordIDs(), RecordIDs())
        let made = (0..<1000).flatMap { _ in [first.next(), second.next()] }
        #expect(Set(made).count == 2000)
    }

    private func text(_ line: RecordLine) -> String { String(decoding: line.bytes, as: UTF8.self) }
}

extension LLMCallMetrics {
    /// A call of the agent `A`, changed.
    static func of(agentName: String = "A", id: String? = nil, _ change: (inout Self) -> Void = { _ in }) -> Self {
        var call = LLMCallMetrics(agentName: agentName, provider: "openai", model: "gpt", id: id)
        change(&call)
        return call
    }
}
