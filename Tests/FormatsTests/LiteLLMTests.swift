import Bodies
import Model
import Testing

@testable import Formats

/// An item with `members` after those that every record needs.
private func item(_ members: String = "", id: String = "c1") -> String {
    #"{"litellm_call_id":"\#(id)","custom_llm_provider":"openai","model":"gpt-4o-mini""#
        + (members.isEmpty ? "" : "," + members) + "}"
}

/// The same, as programs that pass payloads on wrap it.
private func wrapped(_ id: String, _ members: String = "") -> String {
    #"{"standard_logging_payload":\#(item(members, id: id))}"#
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

    @Test(
        "a failure has the status and the error type of its class, else of its code",
        arguments: [
            (#""error_class":"RateLimitError","error_code":"429","traceback":"…""#, "rate_limited", "RateLimitError"),
            (#""error_class":"openai.RateLimitError""#, "rate_limited", "RateLimitError"),
            (#""error_class":"Timeout","error_code":"408""#, "timeout", "Timeout"),
            (#""error_class":"APITimeoutError","error_code":"500""#, "timeout", "APITimeoutError"),
            (#""error_class":"CancelledError","error_code":"""#, "cancelled", "CancelledError"),
            (#""error_class":"APIError","error_code":"429""#, "rate_limited", "APIError"),
            (#""error_class":"APIError","error_code":429"#, "rate_limited", "APIError"),
            (#""error_class":"","error_code":"504""#, "timeout", "504"),
            (#""error_class":null,"error_code":"499""#, "cancelled", "499"),
            (#""error_class":"BadRequestError","error_code":"400""#, "error", "BadRequestError"),
            (#""error_class":"InternalServerError","error_code":"500""#, "error", "InternalServerError"),
            (#""error_class":[],"error_code":{}"#, "error", "unknown"),
            (#""error_class":"It failed. Badly","error_code":"99999999999999999999""#, "error", "99999999999999999999"),
        ])
    func failure(information: String, status: String, type: String) throws {
        let body = item(#""status":"failure","error_information":{\#(information)}"#)
        let record = try #require(try decode(body).onlyRecord)
        #expect(record.status.text == status)
        #expect(record.errorType?.text == type)
    }

    @Test(
        "each spelling of written, cached and reasoning tokens is read; a 0 under one name does not hide another",
        arguments: [
            (#""prompt_tokens_details":{"cached_tokens":200,"cache_write_tokens":700}"#, 200, 700, nil),
            (#""prompt_tokens_details":{"cached_tokens":200,"cache_creation_tokens":700}"#, 200, 700, nil),
            (#""prompt_tokens_details":{"cache_write_tokens":700,"cache_creation_tokens":700}"#, nil, 700, nil),
            (#""prompt_tokens_details":{"cache_write_tokens":0,"cache_creation_tokens":700}"#, nil, 700, nil),
            (#""prompt_tokens_details":{"cache_write_tokens":null},"cache_creation_input_tokens":700"#, nil, 700, nil),
            (#""prompt_tokens_details":{"cache_creation_input_tokens":700}"#, nil, 700, nil),
            (#""input_tokens_details":{"cached_tokens":200,"cache_write_tokens":700}"#, 200, 700, nil),
            (#""output_tokens_details":{"reasoning_tokens":50}"#, nil, nil, 50),
            (#""cache_read_input_tokens":200,"cache_creation_input_tokens":0"#, 200, 0, nil),
        ] as [(String, Int64?, Int64?, Int64?)])
    func spellings(usage: String, cacheRead: Int64?, cacheWrite: Int64?, reasoning: Int64?) throws {
        let body = item(#""prompt_tokens":1000,"completion_tokens":100,"metadata":{"usage_object":{\#(usage)}}"#)
        let record = try #require(try decode(body).onlyRecord)
        #expect(
            record.usage
                == Usage(input: 1000, output: 100, cacheRead: cacheRead, cacheWrite: cacheWrite, reasoning: reasoning))
    }

    /// Of an item with 1,000 input tokens, 300 of them cached and 200 written, and 100 output tokens, 20 of them
    /// reasoning.
    private static func billed(_ usage: String, prompt: String = "", _ members: String = "") throws -> CallRecord {
        let body = item(
            #"""
            "prompt_tokens":1000,"completion_tokens":100,"metadata":{"usage_object":{
            "prompt_tokens_details":{"cached_tokens":300,"cache_creation_tokens":200\#(prompt)},
            "completion_tokens_details":{"reasoning_tokens":20\#(usage)}}}\#(members)
            """#)
        let batch = try decode(body)
        #expect(batch.warnings.isEmpty)
        return try #require(batch.onlyRecord)
    }

    @Test(
        "kinds of tokens that few calls have are read from usage, less what a cache gave, and no more than there is",
        arguments: [
            (
                #","cache_creation_token_details":{"ephemeral_5m_input_tokens":50,"ephemeral_1h_input_tokens":150}"#,
                "",
                [.cacheWrite1h: 150]
            ),
            (#","cache_creation_token_details":{"ephemeral_1h_input_tokens":900}"#, "", [.cacheWrite1h: 200]),
            (#","cache_creation_token_details":{"ephemeral_12h_input_tokens":100}"#, "", [.cacheWrite1h: 100]),
            (
                #","cache_creation_token_details":{"ephemeral_1h_input_tokens":50,"ephemeral_12h_input_tokens":100}"#,
                "",
                [.cacheWrite1h: 150]
            ),
            (#","audio_tokens":50"#, "", [.inputAudio: 50]),
            (#","audio_tokens":50,"cached_tokens_details":{"audio_tokens":30}"#, "", [.inputAudio: 20]),
            (#","audio_tokens":50,"cached_tokens_details":{"audio_tokens":50}"#, "", [:]),
            (#","audio_tokens":900"#, "", [.inputAudio: 500]),
            (#","image_tokens":50"#, "", [.inputImage: 50]),
            (#","image_tokens":50,"cached_tokens_details":{"image_tokens":30}"#, "", [.inputImage: 20]),
            (#","audio_tokens":400,"image_tokens":400"#, "", [.inputAudio: 400, .inputImage: 100]),
            ("", #","audio_tokens":30"#, [.outputAudio: 30]), ("", #","image_tokens":30"#, [.outputImage: 30]),
            ("", #","audio_tokens":70,"image_tokens":30"#, [.outputAudio: 70, .outputImage: 10]),
            (#","audio_tokens":null,"image_tokens":0"#, #","audio_tokens":"5","image_tokens":-1"#, [:]),
        ] as [(String, String, [TokenKind: Int64])])
    func rareKinds(prompt: String, completion: String, parts: [TokenKind: Int64]) throws {
        let usage = try Self.billed(completion, prompt: prompt).usage
        #expect(usage.input == 1000 && usage.output == 100)
        for kind in [TokenKind.cacheWrite1h, .inputAudio, .inputImage, .outputAudio, .outputImage] {
            #expect(usage[kind] ?? 0 == parts[kind] ?? 0, "\(kind)")
        }
    }

    @Test("what was written for an hour is all that was written if no other count says")
    func longCacheAlone() throws {
        let body = item(
            #"""
            "prompt_tokens":1000,"completion_tokens":1,"metadata":{"usage_object":{"prompt_tokens_details":
            {"cache_creation_token_details":{"ephemeral_1h_input_tokens":400}}}}
            """#)
        let usage = try #require(try decode(body).onlyRecord).usage
        #expect(usage[.cacheWrite] == 400 && usage[.cacheWrite1h] == 400)
    }

    @Test(
        "the tier is that of the answer, of its usage, of the bill and of the request, in this order",
        arguments: [
            (#""response":{"service_tier":"flex"}"#, ServiceTier.flex),
            (#""response":{"service_tier":"default"},"model_parameters":{"service_tier":"flex"}"#, .standard),
            (#""response":{"service_tier":"auto"},"model_parameters":{"service_tier":"flex"}"#, .flex),
            (#""response":{"service_tier":"hyper"},"cost_breakdown":{"service_tier":"priority"}"#, .priority),
            (#""metadata":{"usage_object":{"service_tier":"priority"}}"#, .priority),
            (#""metadata":{"usage_object":{"service_tier":"batch"}},"cost_breakdown":{"service_tier":"flex"}"#, .batch),
            (#""cost_breakdown":{"service_tier":"flex"},"model_parameters":{"service_tier":"priority"}"#, .flex),
            (#""model_parameters":{"service_tier":"priority"}"#, .priority),
            (#""model_parameters":{"service_tier":"auto"}"#, .standard),
            (#""model_parameters":{"service_tier":5},"response":"text""#, .standard), (#""response":null"#, .standard),
        ])
    func tiers(members: String, tier: ServiceTier) throws {
        let batch = try decode(item(#""prompt_tokens":10,"completion_tokens":5,\#(members)"#))
        #expect(try #require(batch.onlyRecord).details?.serviceTier ?? .standard == tier)
        #expect(batch.warnings.isEmpty)
    }

    @Test(
        "searches are the most that one of the counts says",
        arguments: [
            (#""server_tool_use":{"web_search_requests":3}"#, 3),
            (#""prompt_tokens_details":{"web_search_requests":2}"#, 2), (#""num_search_queries":4"#, 4),
            (
                #""server_tool_use":{"web_search_requests":1},"prompt_tokens_details":{"web_search_requests":1},"#
                    + #""num_search_queries":0"#, 1
            ),
            (#""server_tool_use":null"#, nil), (#""server_tool_use":{"web_search_requests":0}"#, nil),
            (#""num_search_queries":-1"#, nil), (#""num_search_queries":"3""#, nil),
        ] as [(String, Int64?)])
    func searches(usage: String, searches: Int64?) throws {
        let body = item(#""prompt_tokens":10,"completion_tokens":5,"metadata":{"usage_object":{\#(usage)}}"#)
        #expect(try #require(try decode(body).onlyRecord).details?.webSearches == searches)
    }

    @Test(
        "the size of a search is the one that was used, else the one that was asked for",
        arguments: [
            (#""metadata":{"usage_object":{"search_context_size":"high"}}"#, SearchContextSize.high),
            (
                #""standard_built_in_tools_params":{"web_search_options":{"search_context_size":"low"}},"#
                    + #""model_parameters":{"web_search_options":{"search_context_size":"high"}}"#, .low
            ),
            (#""model_parameters":{"web_search_options":{"search_context_size":"medium"}}"#, .medium),
            (
                #""metadata":{"usage_object":{"search_context_size":"huge"}},"#
                    + #""model_parameters":{"web_search_options":{"search_context_size":"high"}}"#, .high
            ),
            (#""model_parameters":{"web_search_options":{}}"#, nil),
        ] as [(String, SearchContextSize?)])
    func sizes(members: String, size: SearchContextSize?) throws {
        let batch = try decode(item(#""prompt_tokens":10,"completion_tokens":5,\#(members)"#))
        #expect(try #require(batch.onlyRecord).details?.searchContextSize == size)
        #expect(batch.warnings.isEmpty)
    }

    @Test(
        "the model that LiteLLM priced goes before the one that answered",
        arguments: [
            (
                #""model_map_information":{"model_map_key":"azure/gpt-4o"},"response":{"model":"gpt-4o-2024-08-06"}"#,
                "azure/gpt-4o"
            ),
            (#""response":{"model":"gpt-4o-2024-08-06"}"#, "gpt-4o-2024-08-06"),
            (#""model_map_information":{"model_map_key":null},"response":{"model":"gpt-4o"}"#, "gpt-4o"),
            (#""model_map_information":{"model_map_key":"_x"},"response":{"model":5}"#, nil),
        ] as [(String, String?)])
    func responseModels(members: String, model: String?) throws {
        let batch = try decode(item(#""prompt_tokens":10,"completion_tokens":5,\#(members)"#))
        #expect(try #require(batch.onlyRecord).details?.responseModel?.text == model)
        #expect(batch.onlyRecord?.labels.model.text == "gpt-4o-mini")
        #expect(batch.warnings.isEmpty)
    }

    @Test(
        "a call that the client's own subscription paid for is billed by a plan",
        arguments: [("true", true), ("false", false), ("null", false), (#""true""#, false)])
    func plans(value: String, isPlan: Bool) throws {
        let body = item(#""prompt_tokens":10,"metadata":{"used_client_oauth_token":\#(value)}"#)
        #expect((try #require(try decode(body).onlyRecord).details?.billing == .plan) == isPlan)
    }

    @Test(
        "tools, files, batches, stores and other management are ignored by name, in both forms",
        arguments: [
            ("call_mcp_tool", LiteLLMNonCall.callMCPTool), ("acall_mcp_tool", .callMCPTool),
            ("list_mcp_tools", .listMCPTools), ("create_file", .createFile), ("acreate_file", .createFile),
            ("afile_retrieve", .fileRetrieve), ("aretrieve_batch", .retrieveBatch), ("acreate_batch", .createBatch),
            ("avector_store_search", .vectorStoreSearch), ("vector_store_file_list", .vectorStoreFileList),
            ("aget_responses", .getResponses), ("alist_fine_tuning_jobs", .listFineTuningJobs),
            ("add_message", .addMessage), ("a_add_message", .asynchronousAddMessage),
            ("asend_message", .sendMessage), ("health_check", .healthCheck),
        ])
    func nonCalls(name: String, type: LiteLLMNonCall) throws {
        let batch = try decode("[\(item(#""call_type":"\#(name)""#)),\(item())]")
        #expect(batch.ignoredItems == [type: 1])
        #expect(batch.events.map(\.index) == [1])
        #expect(batch.rejections.isEmpty && batch.warnings.isEmpty)
    }

    @Test(
        "what a model answers counts, and so does a call type that is not known",
        arguments: [
            #""completion""#, #""acompletion""#, #""atext_completion""#, #""aembedding""#, #""aimage_generation""#,
            #""aimage_edit""#, #""atranscription""#, #""aspeech""#, #""arerank""#, #""moderation""#, #""aocr""#,
            #""aresponses""#, #""acompact_responses""#, #""anthropic_messages""#, #""agenerate_content_stream""#,
            #""_arealtime""#, #""arun_thread""#, #""acreate_interaction""#, #""avideo_generation""#,
            #""pass_through_endpoint""#, #""allm_passthrough_route""#, #""acreate""#, #""a_new_one""#, #""a""#, #""""#,
            #""CALL_MCP_TOOL""#, "null", "5", "{}",
        ])
    func calls(type: String) throws {
        let batch = try decode(item(#""call_type":\#(type)"#))
        #expect(batch.onlyRecord != nil)
        #expect(batch.ignoredItems.isEmpty)
    }

    @Test(
        "a payload is read within its envelope as well",
        arguments: [
            (#"{"records":[\#(wrapped("a")),\#(wrapped("b"))]}"#, 2), (#"{"records":[]}"#, 0),
            (#"{"version":1,"records":[{"at":5,"standard_logging_payload":\#(item())}],"more":[{}]}"#, 1),
            (#"{"records":[\#(item(id: "a")),null,{"standard_logging_payload":null},\#(wrapped("b"))]}"#, 2),
            ("[\(wrapped("a")),\(item(id: "b"))]", 2), (item(#""standard_logging_payload":null"#), 1),
            (wrapped("a"), 1), ("\(wrapped("a"))\n\(wrapped("b"))", 2),
            ("{\"records\":[\(wrapped("a"))]}\n{\"records\":[\(wrapped("b")),\(wrapped("c"))]}\n", 3),
            ("{\n \"records\" : [\n  \(wrapped("a"))\n ]\n}\n", 1),
        ])
    func envelope(body: String, count: Int) throws {
        let batch = try decode(body)
        #expect(batch.events.count == count)
        #expect(batch.rejections.isEmpty)
        for (_, event) in batch.events {
            guard case .end(let record) = event else { continue }
            #expect(record.labels.model.text == "gpt-4o-mini")
        }
    }

    @Test("records of an envelope have their own places; what is no item among them is rejected by its place")
    func envelopePlaces() throws {
        let wrongTokens = wrapped("b", #""prompt_tokens":-1"#)
        let batch = try decode(
            #"{"records":[\#(wrapped("a")),\#(wrongTokens),{"standard_logging_payload":{}},5,{},\#(wrapped("c"))]}"#)
        #expect(batch.events.map(\.index) == [0, 5])
        #expect(batch.rejections.listed.map(\.index) == [1, 2, 3, 4])
        #expect(
            batch.rejections.listed.map(\.rejection.code) == [.outOfRange, .missing, .notAnObject, .missing])
        let ignored = wrapped("a", #""call_type":"acreate_file""#)
        #expect(try decode("[\(ignored)]").ignoredItems == [.createFile: 1])
    }

    @Test(
        "an envelope whose brackets and quotes are not sound is refused whole, at the place in the body",
        arguments: [#"{"records":[{"a" 5}]}"#, #"{"records":[{]}]}"#, #"{"records":[5 {}]}"#])
    func unsoundEnvelope(body: String) {
        #expect(throws: MalformedBody.self) { try decode(body) }
    }

    @Test("the cases of public reports: a tool is no call, and written tokens of the new name are counted")
    func cases() throws {
        func decodeCase(_ name: String) throws -> DecodedBatch {
            try LiteLLMFormat(agentName: nil).decode(PaddedBytes(fixture(name, in: "cases")), arrival: arrival)
        }
        let tool = try decodeCase("litellm-mcp-tool-call.json")
        #expect(tool.events.isEmpty && tool.rejections.isEmpty && tool.ignoredItems == [.callMCPTool: 1])
        let written = try #require(try decodeCase("litellm-openai-cache-write-tokens.json").onlyRecord)
        #expect(written.usage == Usage(input: 1000, output: 100, cacheRead: 200, cacheWrite: 700))
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
            "metadata", "error_information", "call_type", "records", "request_tags", "stream", "startTime", "endTime",
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
