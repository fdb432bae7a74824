import Bodies
import Model
import Testing

@testable import Formats

/// An item with `members` after those that every record needs.
private func item(_ members: String = "", id: String = "c1") -> String {
    #"{"litellm_call_id":"\#(id)","custom_llm_provider":"openai","model":"gpt-4o-mini""#
        + (members.isEmpty ? "" : "," + members) + "}"
}

private func decode(_ body: String, agentName: String? = nil) throws(MalformedBody) -> DecodedBatch {
    try LiteLLMFormat(agentName: agentName).decode(PaddedBytes(Array(body.utf8)), arrival: arrival)
}

@Suite("LiteLLM") struct LiteLLMTests {
    @Test("each figure comes from the place in which LiteLLM keeps it")
    func figures() throws {
        let body = item(
            #"""
            "status":"success","startTime":1795456864.536931,"endTime":1795456864.71912,"response_time":0.01,
            "prompt_tokens":1712,"completion_tokens":34,"total_tokens":1746,"response_cost":1.236e-04,
            "metadata":{"requester_metadata":{"agent_name":"planner"},"usage_object":{
              "prompt_tokens_details":{"cached_tokens":1024,"cache_creation_tokens":512},
              "completion_tokens_details":{"reasoning_tokens":10}}},
            "messages":[{"content":"a prompt"}]
            """#)
        let record = try #require(try decode(body).onlyRecord)
        #expect(record.labels.agentName.text == "planner")
        #expect(record.labels.provider.text == "openai")
        #expect(record.labels.model.text == "gpt-4o-mini")
        #expect(record.isSuccess)
        #expect(
            record.usage == Usage(input: 1712, output: 34, cacheRead: 1024, cacheWrite: 512, reasoning: 10))
        #expect(record.cost?.description == "0.0001236")
        #expect(record.latencyMicroseconds == 182_189)
        #expect(record.apiLatencyMicroseconds == nil)
        #expect(record.id != nil)
    }

    @Test("the first name there is becomes the agent's")
    func agent() throws {
        func agentName(_ members: String, header: String?) throws -> String? {
            try decode(item(members), agentName: header).onlyRecord?.labels.agentName.text
        }
        let all = #""user_api_key_alias":"E","spend_logs_metadata":{"agent_name":"B"}"#
        let tags = #""request_tags":["prod","agent:C"]"#
        #expect(
            try agentName(#""metadata":{\#(all),"requester_metadata":{"agent_name":"A"}},\#(tags)"#, header: "D") == "A"
        )
        #expect(try agentName(#""metadata":{\#(all),"requester_metadata":null},\#(tags)"#, header: "D") == "B")
        #expect(try agentName(#""metadata":{"user_api_key_alias":"E"},\#(tags)"#, header: "D") == "C")
        #expect(try agentName(#""metadata":{"user_api_key_alias":"E"}"#, header: "D") == "D")
        #expect(try agentName(#""metadata":{"user_api_key_alias":"E"}"#, header: " ") == "E")
        #expect(try agentName(#""metadata":null"#, header: nil) == "unknown")
    }

    @Test("a failure is an error of its class")
    func failure() throws {
        let body = item(#""status":"failure","error_information":{"error_class":"RateLimitError","traceback":"…"}"#)
        let record = try #require(try decode(body).onlyRecord)
        #expect(record.status.text == "error")
        #expect(record.errorType?.text == "RateLimitError")
    }

    @Test(
        "a stream or a failure with zero tokens has no usage, and a stream's cost of 0 is none",
        arguments: [
            (#""stream":true,"response_cost":0.0"#, true, false), (#""stream":true,"response_cost":0.5"#, true, true),
            (#""stream":null,"response_cost":0.0"#, false, true),
            (#""stream":null,"status":"failure","response_cost":0.0"#, true, true),
            (#""stream":null,"response_cost":0.0,"zero_cost_diagnostic":"rates""#, false, false),
        ])
    func stream(members: String, isMissing: Bool, hasCost: Bool) throws {
        let record = try #require(
            try decode(item(#""prompt_tokens":0,"completion_tokens":0,\#(members)"#)).onlyRecord)
        #expect(record.usage.isMissing == isMissing)
        #expect((record.cost != nil) == hasCost)
    }

    @Test("attempts of one call, which share its id, have each their own")
    func attempts() throws {
        let first = try decode(item(#""startTime":1.5"#)).onlyRecord?.id?.call
        let second = try decode(item(#""startTime":2.5"#)).onlyRecord?.id?.call
        #expect(first != nil && second != nil && first != second)
        #expect(try decode(item(#""startTime":1.5,"prompt_tokens":1"#)).onlyRecord?.id?.call == first)
    }

    @Test(
        "an array, lines and a bare item are distinguished by how they begin",
        arguments: [
            ("[\(item(id: "a")),null,\(item(id: "b"))]", 2), ("\(item(id: "a"))\n\(item(id: "b"))\n", 2),
            ("null\n\(item(id: "a"))", 1), ("\u{FEFF}[\(item())]", 1),
            ("[\(item(id: "a"))]\n[\(item(id: "b")),null]", 2), (item(), 1), ("[]", 0), ("null", 0), (" [ null ] ", 0),
        ])
    func shapes(body: String, count: Int) throws {
        let batch = try decode(body)
        #expect(batch.events.count == count)
        #expect(batch.rejections.isEmpty)
    }

    @Test(
        "a body whose brackets and quotes do not close is refused whole",
        arguments: ["", " ", "[", "[{", "[\(item())", "\(item())]", "[\"", "5", "true", "\u{FEFF}", "x\ny"])
    func unsound(body: String) {
        #expect(throws: MalformedBody.self) { try decode(body) }
    }

    @Test(
        "what is read of an item may be of any type, at any place",
        arguments: [
            "metadata", "error_information", "request_tags", "stream", "startTime", "endTime",
            "response_cost_failure_debug_info",
        ])
    func hostileValues(key: String) throws {
        for value in [
            "null", "true", "5", "\"x\"", "[]", "{}", "[[[{}]]]", #"{"usage_object":[{}]}"#, "NaN", #""\ud800""#,
        ] {
            let batch = try decode("[\(item(#""\#(key)":\#(value)"#)),\(item(id: "b"))]")
            #expect(batch.events.count == 2, "\(key): \(value)")
        }
    }

    @Test("each byte that is missing, or another, leaves a batch or a refusal")
    func damage() {
        let body = Array(
            item(
                #""status":"failure","metadata":{"usage_object":{"prompt_tokens_details":{"cached_tokens":1}}},"#
                    + #""request_tags":["agent:a"],"startTime":1.5,"endTime":2"#
            ).utf8)
        for place in body.indices {
            for damaged in [Array(body[..<place]), body[..<place] + [0x22] + body[(place + 1)...]] {
                _ = try? LiteLLMFormat(agentName: nil).decode(PaddedBytes(damaged), arrival: arrival)
            }
        }
    }

    @Test(
        "an error's class is its last name, without what a language prints around it",
        arguments: [
            ("RateLimitError", "RateLimitError"), ("openai.RateLimitError", "RateLimitError"),
            ("<class 'openai.RateLimitError'>", "RateLimitError"), ("429", "429"), ("timeout", "timeout"),
            ("<class 'X'>", "X"), ("", nil), ("a b", nil), ("<class ''>", nil), ("x.", nil), ("<class '", nil),
            ("It failed.Retry", nil), ("no.5", nil), (".X", nil), ("std::bad_alloc", "std::bad_alloc"),
        ] as [(String, String?)])
    func errorClass(text: String, name: String?) {
        #expect(ErrorClass.name(in: text) == name)
    }
}
