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
    static let converse = #"""
        {"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn","metrics":
         {"latencyMs":10},"usage":{"inputTokens":105,"outputTokens":20,"totalTokens":195,"cacheReadInputTokens":40,
         "cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"1h","inputTokens":10},{"ttl":"5m","inputTokens":20}]},
         "serviceTier":{"type":"priority"}}
        """#.replacing("\n", with: "")
    static let gemini = #"""
        {"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP","groundingMetadata":
         {"webSearchQueries":["a","b"]}}],"usageMetadata":{"promptTokenCount":500,"cachedContentTokenCount":300,
         "candidatesTokenCount":120,"thoughtsTokenCount":40,"toolUsePromptTokenCount":60,"totalTokenCount":720,
         "promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"modality":"AUDIO","tokenCount":400}],
         "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":300}],
         "toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":60}],
         "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":90},{"modality":"TEXT","tokenCount":30}],
         "trafficType":"ON_DEMAND_FLEX"},"modelVersion":"gemini-2.5-flash-image","responseId":"r"}
        """#.replacing("\n", with: "")
    static let geminiUsage = TokenUsage(
        input: 560, output: 160, cacheRead: 300, reasoning: 40, inputAudio: 100, outputImage: 90, webSearches: 2)
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
            .init(input: 8)),
        Case(
            "a total alone beside the input", #"{"usage":{"prompt_tokens":8,"total_tokens":9}}"#,
            .init(input: 8, total: 9)),
        Case(
            "chat completion with audio, part of it cached",
            #"""
            {"usage":{"prompt_tokens":1200,"completion_tokens":90,"total_tokens":1290,"prompt_tokens_details":
            {"cached_tokens":1024,"audio_tokens":300,"cached_tokens_details":{"text_tokens":800,"audio_tokens":224}},
            "completion_tokens_details":{"audio_tokens":70,"reasoning_tokens":0,"text_tokens":20}}}
            """#, .init(input: 1200, output: 90, cacheRead: 1024, reasoning: 0, inputAudio: 76, outputAudio: 70)),
        Case(
            "audio of which nothing says how much was cached: no more than no cache gave",
            #"""
            {"usage":{"prompt_tokens":1200,"completion_tokens":9,"prompt_tokens_details":
            {"cached_tokens":1024,"audio_tokens":300}}}
            """#, .init(input: 1200, output: 9, cacheRead: 1024, inputAudio: 176)),
        Case(
            "image",
            #"""
            {"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"total_tokens":1280,"input_tokens":224,"output_tokens":1056,
            "input_tokens_details":{"text_tokens":30,"image_tokens":194},"output_tokens_details":{"image_tokens":1056}}}
            """#, .init(input: 224, output: 1056, inputImage: 194, outputImage: 1056)),
        Case(
            "transcription",
            #"""
            {"text":"Hello","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,
            "audio_tokens":14},"output_tokens":45,"total_tokens":59}}
            """#, .init(input: 14, output: 45, inputAudio: 14)),
        Case(
            "realtime answer",
            #"""
            {"type":"response.done","response":{"object":"realtime.response","status":"completed","usage":{
            "total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,
            "audio_tokens":13,"cached_tokens":64,"cached_tokens_details":{"text_tokens":60,"audio_tokens":4}},
            "output_token_details":{"text_tokens":30,"audio_tokens":91}}}}
            """#, .init(input: 132, output: 121, cacheRead: 64, inputAudio: 9, outputAudio: 91)),
        Case(
            "response that searched: pages that it opened are not billed",
            #"""
            {"object":"response","status":"completed","output":[
            {"type":"web_search_call","status":"completed","action":{"type":"search","query":"a"}},
            {"type":"web_search_call","status":"completed","action":{"type":"open_page","url":"https://a"}},
            {"type":"web_search_call","status":"completed"},{"type":"message","content":[]}],"usage":\#(responsesUsage)}
            """#, .init(input: 1200, output: 34, cacheRead: 1024, reasoning: 10, webSearches: 2)),
        Case(
            "xai: reasoning beside the output",
            #"""
            {"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":
            {"reasoning_tokens":94}}}
            """#, .init(input: 32, output: 103, reasoning: 94)),
        Case(
            "gemini in the shape of openai: thoughts in the total alone",
            #"{"model":"gemini-2.5-flash","usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":114}}"#,
            .init(input: 5, output: 109, reasoning: 100)),
        Case(
            "a total above input and output is kept",
            #"{"model":"gpt","usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":114}}"#,
            .init(input: 5, output: 9, total: 114)),
        Case(
            "perplexity",
            #"{"usage":{"prompt_tokens":5,"completion_tokens":9,"total_tokens":14,"num_search_queries":2}}"#,
            .init(input: 5, output: 9, webSearches: 2)),
        Case(
            "anthropic message with an hour's cache, thinking and searches",
            #"""
            {"type":"message","model":"claude-sonnet-4-5","usage":{"input_tokens":10,"cache_creation_input_tokens":300,
            "cache_read_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},
            "output_tokens":50,"output_tokens_details":{"thinking_tokens":30},"server_tool_use":{"web_search_requests":3},
            "service_tier":"standard"}}
            """#,
            .init(
                input: 330, output: 50, cacheRead: 20, cacheWrite: 300, cacheWrite1h: 200, reasoning: 30, webSearches: 3
            )),
        Case(
            "litellm of an anthropic answer with an hour's cache and searches",
            #"""
            {"usage":{"prompt_tokens":330,"completion_tokens":50,"total_tokens":380,"prompt_tokens_details":
            {"cached_tokens":20,"cache_creation_tokens":300,"cache_creation_token_details":
            {"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200}},
            "server_tool_use":{"web_search_requests":3}}}
            """#,
            .init(input: 330, output: 50, cacheRead: 20, cacheWrite: 300, cacheWrite1h: 200, webSearches: 3)),
        Case(
            "bedrock converse", converse, .init(input: 175, output: 20, cacheRead: 40, cacheWrite: 30, cacheWrite1h: 10)
        ),
        Case("gemini", gemini, geminiUsage),
        Case(
            "gemini that stopped while it thought",
            #"{"usageMetadata":{"promptTokenCount":8,"thoughtsTokenCount":64,"totalTokenCount":72}}"#,
            .init(input: 8, output: 64, reasoning: 64)),
        Case("gemini, a stream as an array", "[\(gemini.replacing("120", with: "1"))\n,\r\n\(gemini)]", geminiUsage),
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
            "groq: the totals apart, in the last chunk",
            """
            data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n
            data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":\(chatUsage)}}\n
            data: [DONE]\n\n
            """, openAI),
        Case(
            "gemini: totals so far in each event",
            """
            data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":500}}\r\n\r
            data: \(gemini)\r\n\r\n
            """, geminiUsage),
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

    @Test("a total that one answer reports counts beside the tokens of another")
    func totals() {
        let sum = TokenUsage(input: 100, output: 50).adding(TokenUsage(input: 8, total: 9))
        #expect(sum == TokenUsage(input: 108, output: 50, total: 159))
        #expect(TokenUsage(input: .max).adding(TokenUsage(input: 1)) == TokenUsage(input: .max))
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
        #expect(!record.contains("total_tokens"))
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
            #"{"error":{"message":"no","type":"insufficient_quota","code":"insufficient_quota"}}"#, "rate_limited",
            "insufficient_quota"
        ),
        (#"{"error":{"code":504,"message":"no","status":"DEADLINE_EXCEEDED"}}"#, "timeout", "504"),
        (#"{"error":{"code":408,"message":"no"}}"#, "timeout", "408"),
        (#"{"type":"error","error":{"type":"timeout_error","message":"no"}}"#, "timeout", "timeout_error"),
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
