import Testing

@testable import LLMExporterClient

@Suite("Record lines") struct RecordLineTests {
    @Test("a call is one line with what is known")
    func line() {
        let call = LLMCallMetrics(
            agentName: "A\"\\é", provider: "openai", model: "gpt", responseModel: "gpt-2025", status: .rateLimited,
            errorType: "API.busy", inputTokens: 110, outputTokens: 439, totalTokens: 600, cacheReadTokens: 60,
            cacheWriteTokens: 40, cacheWrite1hTokens: 30, reasoningTokens: 400, inputAudioTokens: 6,
            outputAudioTokens: 20, inputImageTokens: 4, outputImageTokens: 19, webSearchRequests: 2,
            searchContextSize: .low, serviceTier: "flex", costUSD: 0.0002766, billing: .plan,
            latency: .microseconds(150_250), apiLatency: .milliseconds(100), timeToFirstToken: .microseconds(150_250),
            memoryResidentMB: 12.5, memoryAvailableMB: 2048, id: "1", traceID: "0af7")
        let line = RecordLine(end: call, recordedAt: 1_750_000_000.5, newID: { "new" })
        #expect(
            text(line) == """
                {"agent_name":"A\\"\\\\é","provider":"openai","model":"gpt","id":"1","status":"rate_limited",\
                "error_type":"API.busy","input_tokens":110,"output_tokens":439,"total_tokens":600,\
                "cache_read_tokens":60,"cache_write_tokens":40,"cache_write_1h_tokens":30,"reasoning_tokens":400,\
                "input_audio_tokens":6,"output_audio_tokens":20,"input_image_tokens":4,"output_image_tokens":19,\
                "web_search_requests":2,"search_context_size":"low","service_tier":"flex",\
                "response_model":"gpt-2025","cost_usd":0.0002766,"billing":"plan","latency_ms":150.25,\
                "api_latency_ms":100.0,"ttft_ms":150.25,"memory_rss_mb":12.5,"memory_available_mb":2048.0,"trace_id":"0af7",\
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
        "a value outside its bounds is left out, and reported",
        arguments: [
            (LLMCallMetrics.of { $0.latency = .seconds(86_401) }, ["latency_ms"]),
            (.of { $0.costUSD = .nan }, ["cost_usd"]), (.of { $0.costUSD = -0.1 }, ["cost_usd"]),
            (.of { $0.costUSD = .infinity }, ["cost_usd"]),
            (.of { $0.inputTokens = -1 }, ["input_tokens"]), (.of { $0.outputTokens = .max }, ["output_tokens"]),
            (.of { $0.traceID = "xyz" }, ["trace_id"]), (.of { $0.errorType = "E" }, ["error_type"]),
            (.of { $0.id = "" }, ["id"]),
            (.of { ($0.inputTokens, $0.cacheReadTokens, $0.cacheWriteTokens) = (5, 3, 3) }, ["cache_read_tokens"]),
            (.of { ($0.outputTokens, $0.reasoningTokens) = (5, 6) }, ["reasoning_tokens"]),
            (
                .of { ($0.inputTokens, $0.cacheWriteTokens, $0.cacheWrite1hTokens) = (5, 2, 3) },
                ["cache_write_1h_tokens"]
            ),
            (.of { ($0.inputTokens, $0.cacheWrite1hTokens) = (5, 3) }, ["cache_write_1h_tokens"]),
            (
                .of { ($0.inputTokens, $0.cacheWriteTokens, $0.cacheWrite1hTokens) = (1, 2, 2) },
                ["cache_write_tokens", "cache_write_1h_tokens"]
            ),
            (
                .of { ($0.inputTokens, $0.cacheReadTokens, $0.inputAudioTokens, $0.inputImageTokens) = (9, 3, 4, 3) },
                ["input_audio_tokens"]
            ),
            (.of { $0.inputImageTokens = 1 }, ["input_image_tokens"]),
            (
                .of { call in
                    (call.outputTokens, call.reasoningTokens) = (9, 3)
                    (call.outputAudioTokens, call.outputImageTokens) = (4, 3)
                }, ["output_audio_tokens"]
            ),
            (.of { ($0.outputTokens, $0.outputImageTokens) = (9, 10) }, ["output_image_tokens"]),
            (.of { $0.webSearchRequests = 1_000_001 }, ["web_search_requests"]),
            (.of { $0.webSearchRequests = -1 }, ["web_search_requests"]),
            (.of { $0.serviceTier = "1!" }, ["service_tier"]), (.of { $0.responseModel = "_ " }, ["response_model"]),
            (.of { $0.timeToFirstToken = .seconds(86_401) }, ["ttft_ms"]),
            (.of { $0.timeToFirstToken = .nanoseconds(-600) }, ["ttft_ms"]),
            (.of { ($0.latency, $0.timeToFirstToken) = (.milliseconds(5), .microseconds(5001)) }, ["ttft_ms"]),
            (.of { ($0.latency, $0.timeToFirstToken) = (.seconds(-1), .seconds(5)) }, ["latency_ms"]),
        ])
    func outOfBounds(call: LLMCallMetrics, fields: [String]) {
        let line = RecordLine(end: call, recordedAt: 0, newID: { "new" })
        #expect(line.mended == fields)
        for field in fields where field != "id" { #expect(!text(line).contains("\"\(field)\"")) }
    }

    @Test("parts that are as large as their whole leaves room for are sent")
    func parts() {
        let call = LLMCallMetrics.of { call in
            (call.inputTokens, call.cacheReadTokens, call.cacheWriteTokens, call.cacheWrite1hTokens) = (10, 1, 2, 2)
            (call.inputAudioTokens, call.inputImageTokens) = (3, 4)
            (call.outputTokens, call.reasoningTokens, call.outputAudioTokens, call.outputImageTokens) = (9, 2, 3, 4)
            (call.latency, call.timeToFirstToken) = (.milliseconds(5), .milliseconds(5))
        }
        let line = RecordLine(end: call, recordedAt: 0, newID: { "new" })
        #expect(line.mended == [])
        for field in ["input_audio", "input_image", "output_audio", "output_image", "cache_write_1h"] {
            #expect(text(line).contains("\"\(field)_tokens\""))
        }
    }

    @Test(
        "service tiers and models that answered are corrected",
        arguments: [
            ("ON_DEMAND", "on_demand", "ON_DEMAND"), ("flex", "flex", "flex"), (" Fast ", "fast", "Fast"),
            ("_a\nb", "a_b", "a b"),
        ])
    func words(given: String, tier: String, model: String) {
        let call = LLMCallMetrics.of { ($0.serviceTier, $0.responseModel) = (given, given) }
        let line = text(RecordLine(end: call, recordedAt: 0, newID: { "new" }))
        #expect(line.contains("\"service_tier\":\"\(tier)\"") && line.contains("\"response_model\":\"\(model)\""))
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
