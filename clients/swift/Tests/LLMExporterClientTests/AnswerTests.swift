import Foundation
import Testing

@testable import LLMExporterClient

/// What providers answer, as recorded from them: 1200 tokens in of which 1024 were cached, 34 out of which 10 were
/// reasoning; Anthropic 176 beside 1024 read and 512 written, and 34 out.
@Suite("Answers of providers") struct AnswerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: String
        let usage: TokenUsage?

        init(_ testDescription: String, _ body: String, _ usage: TokenUsage?) {
            (self.testDescription, self.body, self.usage) = (testDescription, body, usage)
        }
    }

    static let chatUsage = #"""
        {"completion_tokens": 34, "prompt_tokens": 1200, "total_tokens": 1234, "completion_tokens_details":
         {"accepted_prediction_tokens": 0, "audio_tokens": 0, "reasoning_tokens": 10, "rejected_prediction_tokens": 0},
         "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1024}}
        """#.replacing("\n", with: "")
    static let responsesUsage = #"""
        {"input_tokens": 1200, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 34,
         "output_tokens_details": {"reasoning_tokens": 10}, "total_tokens": 1234}
        """#.replacing("\n", with: "")
    static let anthropicUsage = #"""
        {"input_tokens": 176, "cache_creation_input_tokens": 512, "cache_read_input_tokens": 1024, "cache_creation":
         {"ephemeral_5m_input_tokens": 512, "ephemeral_1h_input_tokens": 0}, "output_tokens": 34,
         "service_tier": "standard"}
        """#.replacing("\n", with: "")
    static let openAI = TokenUsage(input: 1200, output: 34, cacheRead: 1024, reasoning: 10)
    static let anthropic = TokenUsage(input: 1712, output: 34, cacheRead: 1024, cacheWrite: 512)

    static let answers = [
        Case(
            "chat completion",
            #"""
            {"id": "chatcmpl-abc123", "created": 1700000000, "model": "gpt-4o-mini-2024-07-18", "object":
            "chat.completion", "system_fingerprint": "fp_1", "choices": [{"finish_reason": "stop", "index": 0, "message":
            {"content": "Hello \"usage\" \u00e9 😀", "role": "assistant", "tool_calls": null}, "logprobs": null}],
            "usage": \#(chatUsage), "service_tier": "default"}
            """#, openAI),
        Case(
            "response",
            #"{"id":"resp_1","object":"response","status":"completed","error":null,"usage":\#(responsesUsage)}"#, openAI
        ),
        Case(
            "anthropic message",
            #"{"type":"message","content":[],"stop_reason":"end_turn","usage":\#(anthropicUsage)}"#, anthropic),
        Case(
            "anthropic without a cache", #"{"usage":{"input_tokens":5,"output_tokens":2}}"#, .init(input: 5, output: 2)),
        Case(
            "litellm of an anthropic answer",
            #"""
            {"usage":{"prompt_tokens":1712,"completion_tokens":34,"prompt_tokens_details":null,
            "cache_creation_input_tokens":512,"cache_read_input_tokens":1024}}
            """#, anthropic),
        Case(
            "embeddings",
            #"{"object":"list","data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            .init(input: 8, total: 8)),
        Case(
            "numbers that are no counts",
            #"{"usage":{"prompt_tokens":"12","completion_tokens":true,"total_tokens":-1,"input_tokens":1.5}}"#, nil),
        Case("counts out of bounds", #"{"usage":{"prompt_tokens":1e30,"completion_tokens":34}}"#, .init(output: 34)),
    ]

    static let streams = [
        Case(
            "chat completions",
            """
            data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hel"}}],"usage":null}\n
            data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n
            data: {"choices":[],"usage":\(chatUsage)}\n
            data: [DONE]\n\n
            """, openAI),
        Case(
            "chat completions with totals so far in each chunk",
            """
            data: {"choices":[],"usage":{"prompt_tokens":1200,"completion_tokens":1}}\r\n\r
            data: {"choices":[],"usage":\(chatUsage)}\r\n\r\n
            """, openAI),
        Case(
            "responses",
            """
            event: response.created
            data: {"type":"response.created","response":{"status":"in_progress","usage":null}}

            event: response.in_progress
            data: {"type":"response.in_progress","response":{"usage":{"input_tokens":9,"input_tokens_details":{}}}}

            event: response.output_text.delta
            data: {"type":"response.output_text.delta","delta":"\\"usage\\""}

            event: response.completed
            data: {"type":"response.completed","response":{"object":"response","usage":\(responsesUsage)}}


            """, openAI),
        Case(
            "anthropic: the input at the start, the output so far in each delta",
            """
            event: message_start
            data: {"type":"message_start","message":{"usage":\(anthropicUsage.replacing("34", with: "1"))}}

            event: ping
            data: {"type": "ping"}

            event: content_block_delta
            data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}

            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":20,"input_tokens":null}}

            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":34}}

            event: message_stop
            data: {"type":"message_stop"}


            """, anthropic),
        Case(
            "comments, a mark, lines of one event, and no end",
            "\u{FEFF}: hello\n\ndata:{\ndata:\"usage\":\ndata: \(chatUsage)}", openAI),
        Case("nothing that tells tokens", "data: {\"choices\":[]}\n\ndata: {\"usage\":\n\ndata: [DONE]\n\n", nil),
    ]

    @Test("tokens are read by the shape of an answer, whole or bit by bit", arguments: answers + streams)
    func shapes(of answer: Case) {
        let bytes = Array(answer.body.utf8)
        for length in [1, 64, bytes.count] {
            var reader = AnswerReader()
            for start in stride(from: 0, to: bytes.count, by: length) {
                reader.read(Array(bytes[start..<min(start + length, bytes.count)]))
            }
            #expect(reader.findings.usage == answer.usage, "in pieces of \(length)")
        }
    }

    @Test(
        "what is no answer has no usage",
        arguments: ["", " ", "{", "[]", "null", "text", "{\"usage\":\(String(repeating: "[", count: 100_000))"])
    func nonsense(body: String) {
        var reader = AnswerReader()
        reader.read(Array(body.utf8))
        #expect(reader.findings == AnswerReader.Findings())
    }

    @Test("memory is bounded: what is too long is passed over, and the next event is read")
    func tooLong() {
        var reader = AnswerReader(limitBytes: 1000)
        reader.read(Array("data: \"".utf8))
        for _ in 0..<20 { reader.read([UInt8](repeating: UInt8(ascii: "x"), count: 1000)) }
        reader.read(Array("\n\ndata: {\"usage\":\(Self.chatUsage)}\n\n".utf8))
        #expect(reader.findings.usage == Self.openAI)
    }

    @Test("answers and streams of one call add up, a broken one counts as far as it came")
    func addsUp() async throws {
        struct Broken: Error {}
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url)
        await #expect(throws: Broken.self) {
            try await monitor.withMonitoredCall(agentName: "A", provider: "anthropic", model: "claude") { call in
                #expect(call.addAnswer(Data(Self.answers[0].body.utf8)))
                #expect(call.addAnswer("no answer".utf8) == false)
                let stream = call.addStreamedAnswer()
                let event = #"{"type":"message_start","message":{"usage":\#(Self.anthropicUsage)}}"#
                stream.read("data: \(event)\n\n".utf8)
                throw Broken()
            }
        }
        #expect(await monitor.close())
        let record = try #require(server.requests.flatMap(\.lines).last)
        for part in [
            #""input_tokens":2912"#, #""output_tokens":68"#, #""cache_read_tokens":2048"#, #""cache_write_tokens":512"#,
            #""reasoning_tokens":10"#, #""error_type":"Broken""#,
        ] { #expect(record.contains(part), "\(part)") }
    }

    static let failures = [
        (
            #"{"object":"response","status":"failed","error":{"code":"server_error"},"usage":null}"#, "error",
            "server_error"
        ),
        (#"{"object":"response","status":"failed","error":null}"#, "error", "failed"),
        (
            #"{"error":{"message":"no","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#, "rate_limited",
            "rate_limit_exceeded"
        ),
        (#"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, "error", "overloaded_error"),
        (#"{"type":"error","error":{"type":"rate_limit_error","message":"no"}}"#, "rate_limited", "rate_limit_error"),
        (#"{"error":{"message":"no","code":429}}"#, "rate_limited", "429"),
        (
            #"data: {"type":"response.failed","response":{"status":"failed","error":{"code":"x"},"usage":null}}"#,
            "error",
            "x"
        ),
        (
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"no\"}", "error",
            "server_error"
        ),
        ("data: {\"choices\":[]}\n\ndata: {\"error\":{\"type\":\"server_error\"}}\n\n", "error", "server_error"),
    ]

    @Test("an answer that tells of an error is one of its kind", arguments: failures)
    func failure(answer: String, status: String, kind: String) async throws {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url)
        await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
            if answer.hasPrefix("{") { call.addAnswer(answer.utf8) } else { call.addStreamedAnswer().read(answer.utf8) }
        }
        #expect(await monitor.close())
        let record = try #require(server.requests.flatMap(\.lines).last)
        #expect(record.contains("\"status\":\"\(status)\",\"error_type\":\"\(kind)\""))
    }
}
