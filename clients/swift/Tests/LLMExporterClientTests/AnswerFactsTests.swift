import Testing

@testable import LLMExporterClient

/// The model that answered, the service tier, the size of a search.
@Suite("Facts of an answer beside its tokens") struct AnswerFactsTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let body: String
        let model: String?
        let tier: String?
        var size: LLMSearchContextSize?
    }

    static let usage = #""usage":{"prompt_tokens":5,"completion_tokens":9}"#

    static let answers = [
        Case(
            testDescription: "openai", body: #"{"model":"gpt-4o-mini-2024-07-18","service_tier":"flex",\#(usage)}"#,
            model: "gpt-4o-mini-2024-07-18", tier: "flex"),
        Case(
            testDescription: "a tier that is the provider's choice", body: #"{"service_tier":"auto",\#(usage)}"#,
            model: nil, tier: nil),
        Case(
            testDescription: "values that are no names", body: #"{"model":"__\n","service_tier":"!",\#(usage)}"#,
            model: nil, tier: nil),
        Case(
            testDescription: "openai response that searches",
            body: #"""
                {"object":"response","model":"gpt-5","service_tier":"default","tools":[{"type":"function","name":"a"},
                {"type":"web_search_preview","search_context_size":"low"}],"usage":{"input_tokens":1,"output_tokens":1}}
                """#, model: "gpt-5", tier: "default", size: .low),
        Case(
            testDescription: "perplexity",
            body: #"{"model":"sonar","usage":{"prompt_tokens":1,"completion_tokens":1,"search_context_size":"high"}}"#,
            model: "sonar", tier: nil, size: .high),
        Case(
            testDescription: "anthropic",
            body: #"{"model":"claude","usage":{"input_tokens":1,"output_tokens":1,"service_tier":"batch"}}"#,
            model: "claude", tier: "batch"),
        Case(
            testDescription: "anthropic in its fast mode",
            body: #"""
                {"model":"claude","usage":{"input_tokens":1,"output_tokens":1,"service_tier":"standard","speed":"fast"}}
                """#, model: "claude", tier: "fast"),
        Case(testDescription: "bedrock converse", body: AnswerTests.converse, model: nil, tier: "priority"),
        Case(testDescription: "gemini", body: AnswerTests.gemini, model: "gemini-2.5-flash-image", tier: "flex"),
        Case(
            testDescription: "stream of openai",
            body: """
                data: {"model":"gpt-4o","service_tier":"priority","choices":[{"delta":{"content":"a"}}],"usage":null}

                data: {"model":"gpt-4o","service_tier":"priority","choices":[],\(usage)}


                """, model: "gpt-4o", tier: "priority"),
        Case(
            testDescription: "stream of responses, of which the last event is right",
            body: """
                data: {"type":"response.created","response":{"model":"gpt-5","service_tier":"auto"}}

                data: {"type":"response.completed","response":{"model":"gpt-5","service_tier":"flex","usage":null}}


                """, model: "gpt-5", tier: "flex"),
        Case(
            testDescription: "stream of anthropic",
            body: """
                data: {"type":"message_start","message":{"model":"claude","usage":{"input_tokens":1,"service_tier":"priority"}}}

                data: {"type":"message_delta","usage":{"output_tokens":9}}


                """, model: "claude", tier: "priority"),
    ]

    @Test("are read by its shape", arguments: answers)
    func shapes(of answer: Case) {
        var reader = AnswerReader()
        reader.read(Array(answer.body.utf8))
        let findings = reader.findings
        #expect(findings.model == answer.model && findings.serviceTier == answer.tier)
        #expect(findings.searchContextSize == answer.size)
    }

    @Test("become fields of the record, and values that were set before stay")
    func record() async throws {
        func answer(_ model: String) -> String { #"{"model":"\#(model)","service_tier":"flex",\#(Self.usage)}"# }
        let read = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.addAnswer(answer("gpt-2025").utf8)
                call.addAnswer(answer("another").utf8)
                call.addUsage(webSearches: 2)
            }
        }
        #expect(read.responseModel == "gpt-2025" && read.serviceTier == "flex" && read.webSearchRequests == 2)
        #expect(read.inputTokens == 10 && read.outputTokens == 18)

        let set = try await RecordedCall.of { monitor in
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { call in
                call.update { $0.serviceTier = "batch" }
                call.addAnswer(answer("gpt").utf8)
            }
        }
        #expect(set.responseModel == nil && set.serviceTier == "batch")
    }
}
