import Testing

@testable import LLMExporterClient

@Suite("Streamed answers") struct StreamedAnswerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// Events before the first token.
        let opening: [String]
        /// The event with the first token.
        let token: String
        /// The event that announces the end.
        let end: String
    }

    static let streams = [
        Case(
            testDescription: "chat completions",
            opening: [#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#],
            token: #"{"choices":[{"delta":{"content":"a"},"finish_reason":null}]}"#,
            end: #"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
        Case(
            testDescription: "chat completions that call a tool, from a server that puts spaces",
            opening: [#"{"choices": [{"delta": {"role": "assistant", "tool_calls": []}}]}"#],
            token: #"{"choices": [{"delta": {"tool_calls": [{"function": {"name": "f", "arguments": ""}}]}}]}"#,
            end: #"{"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}"#),
        Case(
            testDescription: "chat completions that only say that they are done",
            opening: [], token: #"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, end: "[DONE]"),
        Case(
            testDescription: "responses",
            opening: [
                #"{"type":"response.created","response":{}}"#, #"{"type":"response.output_item.added","item":{}}"#,
            ],
            token: #"{"type":"response.function_call_arguments.delta","delta":"{"}"#,
            end: #"{"type":"response.incomplete","response":{"usage":{"input_tokens":1,"output_tokens":1}}}"#),
        Case(
            testDescription: "anthropic",
            opening: [
                #"{"type":"message_start","message":{"usage":{"input_tokens":1,"output_tokens":1}}}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                #"{"type": "ping"}"#,
            ],
            token: #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            end: #"{"type":"message_stop"}"#),
        Case(
            testDescription: "gemini",
            opening: [#"{"candidates":[{"content":{"role":"model"}}],"usageMetadata":{"promptTokenCount":1}}"#],
            token: #"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":1}}"#,
            end: #"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1}}"#),
    ]

    @Test("the first token and the end are recognised", arguments: streams)
    func shapes(of stream: Case) {
        var reader = AnswerReader()
        func read(_ event: String) { reader.read(Array("data: \(event)\n\n".utf8)) }
        #expect(!reader.findings.isUnfinished)
        for event in stream.opening { read(event) }
        #expect(!reader.hasToken && reader.findings.isUnfinished == !stream.opening.isEmpty)
        read(stream.token)
        #expect(reader.hasToken && reader.findings.isUnfinished)
        read(stream.token)
        #expect(reader.findings.isUnfinished)
        read(stream.end)
        #expect(!reader.findings.isUnfinished)
    }

    @Test("the time to the first token is from the newest request to it")
    func timeToFirstToken() async throws {
        let record = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                try? await Task.sleep(for: .milliseconds(100))
                let stream = call.addStreamedAnswer()
                await call.api {
                    try? await Task.sleep(for: .milliseconds(40))
                    stream.read(Self.event(Self.streams[0].token))
                    try? await Task.sleep(for: .milliseconds(40))
                    stream.read(Self.event(Self.streams[0].token) + Self.event("[DONE]"))
                }
            }
        }
        let (time, whole) = (try #require(record.ttftMs), try #require(record.latencyMs))
        #expect(time >= 40 && time <= whole - 140)
        #expect(record.status == nil)
    }

    @Test("without a request of its own the time is from the beginning of the call; a whole answer has none")
    func withoutAPI() async throws {
        let streamed = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                try? await Task.sleep(for: .milliseconds(30))
                call.addStreamedAnswer().read(Self.event(Self.streams[0].token) + Self.event("[DONE]"))
            }
        }
        #expect(try #require(streamed.ttftMs) >= 30)
        let whole = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.addStreamedAnswer().read(AnswerTests.answers[0].body.utf8)
            }
        }
        #expect(whole.ttftMs == nil && whole.status == nil && whole.inputTokens == 1200)
    }

    @Test("a time of the caller's stays, and one past a latency of the caller's is not sent")
    func ofTheCaller() async throws {
        for (latency, own, sent) in [(nil, 7, 7), (1, nil, nil)] as [(Int?, Int?, Double?)] {
            let record = try await RecordedCall.of { monitor in
                await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                    call.update { metrics in
                        metrics.latency = latency.map { .milliseconds($0) }
                        metrics.timeToFirstToken = own.map { .milliseconds($0) }
                    }
                    try? await Task.sleep(for: .milliseconds(30))
                    call.addStreamedAnswer().read(Self.event(Self.streams[0].token) + Self.event("[DONE]"))
                }
            }
            #expect(record.ttftMs == sent)
        }
    }

    @Test("a stream left early is cancelled, has no kind of error, and keeps the usage that it had", arguments: streams)
    func leftEarly(_ stream: Case) async throws {
        let record = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                let answer = call.addStreamedAnswer()
                for event in stream.opening + [stream.token] { answer.read(Self.event(event)) }
            }
        }
        #expect(record.status == "cancelled" && record.errorType == nil && record.ttftMs != nil)
        #expect(
            record.inputTokens
                == (stream.opening.contains { $0.contains("TokenCount") || $0.contains("input_") } ? 1 : nil))
    }

    @Test("a stream that is read to its end, or whose end nothing announces, is a success", arguments: [true, false])
    func readToItsEnd(isKnown: Bool) async throws {
        let record = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                let answer = call.addStreamedAnswer()
                if isKnown {
                    for event in [Self.streams[0].token, Self.streams[0].end] { answer.read(Self.event(event)) }
                } else {
                    answer.read(Self.event(#"{"token":"a"}"#))
                }
            }
        }
        #expect(record.status == nil)
    }

    @Test("the newest stream decides: one that broke and was tried again is a success", arguments: [true, false])
    func retry(isEnded: Bool) async throws {
        let record = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                for isEnded in [!isEnded, isEnded] {
                    let answer = call.addStreamedAnswer()
                    answer.read(Self.event(Self.streams[0].token))
                    if isEnded { answer.read(Self.event(Self.streams[0].end)) }
                }
                _ = call.addStreamedAnswer()
            }
        }
        #expect(record.status == (isEnded ? nil : "cancelled"))
    }

    @Test("an error, or a status of the caller's, is kept for a stream left early")
    func otherStatuses() async throws {
        struct Broken: Error {}
        let token = Self.event(Self.streams[0].token)
        let broken = try await RecordedCall.of { monitor in
            try? await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.addStreamedAnswer().read(token)
                throw Broken()
            }
        }
        #expect(broken.status == "error" && broken.errorType == "Broken")
        let failed = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.addStreamedAnswer().read(token + Self.event(#"{"error":{"code":"overloaded"}}"#))
            }
        }
        #expect(failed.status == "error" && failed.errorType == "overloaded")
        let own = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.addStreamedAnswer().read(token)
                call.update { $0.status = .timeout }
            }
        }
        #expect(own.status == "timeout")
    }

    private static func event(_ json: String) -> [UInt8] { Array("data: \(json)\n\n".utf8) }
}
