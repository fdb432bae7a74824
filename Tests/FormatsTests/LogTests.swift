import Bodies
import Formats
import HTTP
import Model
import Testing

private func decode(_ body: [UInt8], _ encoding: OTLPEncoding) throws(MalformedBody) -> DecodedBatch {
    try LogsFormat(encoding).decode(PaddedBytes(body), arrival: Instant(unixMilliseconds: 1_795_993_800_000))
}

private func decodeLogs(_ records: String...) throws(MalformedBody) -> DecodedBatch {
    try decode(Array(request(records).utf8), .json)
}

private func request(_ records: [String], resource: [String: String] = ["service.name": "svc"]) -> String {
    #"{"resourceLogs":[{"resource":{"attributes":[\#(attributes(resource.mapValues { "\"\($0)\"" }))]},"#
        + #""scopeLogs":[{"scope":{"name":"s"},"logRecords":[\#(records.joined(separator: ","))]}]}]}"#
}

/// - Parameter members: JSON texts by the names of attributes.
private func attributes(_ members: [String: String]) -> String {
    members.sorted { $0.key < $1.key }.map { name, value in
        let kind =
            value.hasPrefix("\"")
            ? "stringValue"
            : value == "true" || value == "false"
                ? "boolValue"
                : value.contains(".")
                    ? "doubleValue" : "intValue"
        return #"{"key":"\#(name)","value":{"\#(kind)":\#(value)}}"#
    }.joined(separator: ",")
}

private func log(_ event: String, _ members: [String: String], more: String = "") -> String {
    let all = ["event.name": "\"\(event)\"", "model": #""m-1""#].merging(members) { $1 }
    return #"{"timeUnixNano":"1795993658636000000"\#(more),"attributes":[\#(attributes(all))]}"#
}

/// As Claude Code writes it: the name of the event without its prefix, and the whole as the body.
private func claudeLog(_ event: String, _ members: [String: String]) -> String {
    log(event, members, more: #","body":{"stringValue":"claude_code.\#(event)"}"#)
}

private func claudeLog(_ members: [String: String]) -> String { claudeLog("api_request", members) }

private func codexLog(_ members: [String: String]) -> String {
    log("codex.sse_event", ["event.kind": #""response.completed""#].merging(members) { $1 })
}

private func geminiLog(_ members: [String: String]) -> String { log("gemini_cli.api_response", members) }

extension DecodedBatch {
    fileprivate var ignored: [String] { ignoredLogRecords.byEvent.map { "\($0.event) \($0.count)" } }
}

@Suite("Logs") struct LogTests {
    @Test("a request of Claude Code has its tokens, its cost, its latency and its trace")
    func claudeCodeRequest() throws {
        let record = try #require(
            try decodeLogs(
                claudeLog([
                    "input_tokens": "177", "output_tokens": "35", "cache_read_tokens": "1024",
                    "cache_creation_tokens": "512", "cost_usd": "0.0032832", "duration_ms": "149",
                    "anthropic.provider": #""firstParty""#, "request_id": #""req_1""#,
                ])
            ).onlyRecord)
        #expect(record.labels.agentName.text == "svc")
        #expect(record.labels.provider.text == "anthropic")
        #expect(record.labels.model.text == "m-1")
        #expect(record.usage == Usage(input: 1713, output: 35, cacheRead: 1024, cacheWrite: 512))
        #expect(record.cost?.description == "0.0032832")
        #expect(record.latencyMicroseconds == 149_000)
        #expect(record.isSuccess)
        #expect(record.id != nil)
    }

    @Test(
        "the provider of Claude Code has the name that the price table knows",
        arguments: [
            ("firstParty", "anthropic"), ("bedrock", "bedrock"), ("mantle", "bedrock"), ("vertex", "vertex_ai"),
            ("foundry", "azure_ai"), ("anthropicAws", "anthropic"), ("gateway", "anthropic"), ("later", "later"),
            ("", "anthropic"),
        ])
    func claudeCodeProvider(sent: String, shown: String) throws {
        let record = try #require(try decodeLogs(claudeLog(["anthropic.provider": "\"\(sent)\""])).onlyRecord)
        #expect(record.labels.provider.text == shown)
    }

    @Test("Codex' tokens come as texts and as numbers, and its input includes cached ones")
    func codexTokens() throws {
        let record = try #require(
            try decodeLogs(
                codexLog([
                    "input_token_count": #""1202""#, "output_token_count": #""36""#, "cached_token_count": "1024",
                    "cache_write_token_count": "0", "reasoning_token_count": "10", "duration_ms": #""0""#,
                ])
            ).onlyRecord)
        #expect(record.labels.provider.text == "openai")
        #expect(record.usage == Usage(input: 1202, output: 36, cacheRead: 1024, cacheWrite: 0, reasoning: 10))
        // The time since the event before is no latency.
        #expect(record.latencyMicroseconds == nil)
    }

    @Test(
        "of Codex' events only the end of a stream with tokens and failed attempts are calls",
        arguments: [
            (codexLog([:]), false), (codexLog(["input_token_count": "1"]), true),
            (codexLog(["output_token_count": "0"]), true),
            (log("codex.sse_event", ["event.kind": #""response.created""#, "input_token_count": "1"]), false),
            (log("codex.sse_event", ["input_token_count": "1"]), false),
            (log("codex.api_request", ["http.response.status_code": "200"]), false),
            (log("codex.api_request", ["http.response.status_code": "399"]), false),
            (log("codex.api_request", ["http.response.status_code": "400"]), true),
            (log("codex.api_request", ["http.response.status_code": #""500""#]), true),
            (log("codex.api_request", ["error.message": #""connection refused""#]), true),
            (log("codex.api_request", [:]), false),
            (
                log("codex.api_request", ["http.response.status_code": "500", "endpoint": #""/responses/compact""#]),
                true
            ),
            (log("codex.api_request", ["http.response.status_code": "500", "endpoint": #""/models""#]), false),
        ])
    func codexEvents(record: String, isCall: Bool) throws {
        let batch = try decodeLogs(record)
        #expect(batch.events.count == (isCall ? 1 : 0))
        #expect(batch.ignored.count == (isCall ? 0 : 1))
    }

    @Test("thoughts of Gemini are beside its output, and cached tokens in its input")
    func gemini() throws {
        let counts = [
            "input_token_count": "1000", "output_token_count": "50", "cached_content_token_count": "200",
            "thoughts_token_count": "30", "tool_token_count": "7", "duration_ms": "1500",
        ]
        func usage(total: String) throws -> Usage? {
            try decodeLogs(geminiLog(counts.merging(["total_token_count": total]) { $1 })).onlyRecord?.usage
        }
        #expect(try usage(total: "1080") == Usage(input: 1000, output: 80, cacheRead: 200, reasoning: 30))
        // The total has room for the tokens of tools.
        #expect(try usage(total: "1087") == Usage(input: 1007, output: 80, cacheRead: 200, reasoning: 30))
        let record = try #require(try decodeLogs(geminiLog(counts)).onlyRecord)
        #expect(record.labels.provider.text == "gemini")
        #expect(record.latencyMicroseconds == 1_500_000)
        let vertex = try decodeLogs(geminiLog(["auth_type": #""vertex-ai""#])).onlyRecord
        #expect(vertex?.labels.provider.text == "vertex_ai")
    }

    @Test("what Claude Code wrote for an hour is a part of what it wrote, and its fast mode is a service tier")
    func claudeCodeBill() throws {
        let counts = [
            "input_tokens": "100", "output_tokens": "10", "cache_read_tokens": "20", "cache_creation_tokens": "30",
            "cache_creation_1h_tokens": "25",
        ]
        let record = try #require(try decodeLogs(claudeLog(counts)).onlyRecord)
        var usage = Usage(input: 150, output: 10, cacheRead: 20, cacheWrite: 30)
        usage[.cacheWrite1h] = 25
        #expect(record.usage == usage)
        #expect(record.details == nil)
        for (speed, tier) in [("fast", ServiceTier.priority), ("normal", .standard)] {
            let record = try decodeLogs(claudeLog(counts.merging(["speed": "\"\(speed)\""]) { $1 })).onlyRecord
            #expect(record?.details?.serviceTier ?? .standard == tier)
        }
        // If no other count says what was written.
        let alone = ["input_tokens": "100", "output_tokens": "10", "cache_creation_1h_tokens": "25"]
        #expect(try decodeLogs(claudeLog(alone)).events.count == 1)
    }

    @Test(
        "calls of a signed-in subscriber are billed by a plan, those of an API key are metered",
        arguments: [
            (codexLog(["input_token_count": "1", "auth_mode": #""Chatgpt""#]), true),
            (codexLog(["input_token_count": "1", "auth_mode": #""chatgpt""#]), true),
            (codexLog(["input_token_count": "1", "auth_mode": #""ApiKey""#]), false),
            (codexLog(["input_token_count": "1"]), false),
            (
                log("codex.api_request", ["auth_mode": #""Chatgpt""#, "http.response.status_code": "500"]), true
            ),
            (geminiLog(["input_token_count": "1", "auth_type": #""oauth-personal""#]), true),
            (geminiLog(["input_token_count": "1", "auth_type": #""gemini-api-key""#]), false),
            (geminiLog(["input_token_count": "1", "auth_type": #""vertex-ai""#]), false),
            (geminiLog(["input_token_count": "1"]), false),
            (log("gemini_cli.api_error", ["auth_type": #""oauth-personal""#]), true),
            (claudeLog(["input_tokens": "1", "auth_mode": #""chatgpt""#]), false),
        ])
    func plans(record: String, isPlan: Bool) throws {
        let record = try #require(try decodeLogs(record).onlyRecord)
        #expect((record.details?.billing == .plan) == isPlan)
    }

    @Test("attributes that plans name are kept, those of the record before those of its resource")
    func keptAttributes() throws {
        let body = request(
            [claudeLog(["input_tokens": "1", "billing_mode": #""own""#, "other": #""x""#])],
            resource: ["service.name": "svc", "billing.mode": "resource", "org.id": "7"])
        let format = LogsFormat(
            .json, operatorAttributes: OperatorAttributes(kept: ["billing.mode", "org.id", "not.there"]))
        let batch = try format.decode(PaddedBytes(Array(body.utf8)), arrival: Instant(unixMilliseconds: 0))
        #expect(batch.onlyRecord?.details?.attributes == ["billing.mode": "own", "org.id": "7"])
    }

    @Test(
        "zeros alone are no usage",
        arguments: [
            claudeLog(["input_tokens": "0", "output_tokens": "0", "cost_usd": "0.0"]),
            codexLog(["input_token_count": #""0""#, "output_token_count": #""0""#]),
            geminiLog(["input_token_count": "0", "output_token_count": "0", "thoughts_token_count": "0"]),
        ])
    func noUsage(record: String) throws {
        let record = try #require(try decodeLogs(record).onlyRecord)
        #expect(record.usage == Usage())
        #expect(record.cost == nil)
    }

    @Test(
        "a failure has its status, and a class as its error type, never the text of an error",
        arguments: [
            (claudeLog("api_error", ["error": #""boom 400""#, "status_code": "400"]), "error", "400"),
            (claudeLog("api_error", ["error": #""secret""#, "status_code": #""429""#]), "rate_limited", "429"),
            (claudeLog("api_error", ["error": #""Request timed out.""#]), "timeout", "unknown"),
            (claudeLog("api_error", ["error": #""Request was aborted.""#]), "cancelled", "unknown"),
            (claudeLog("api_error", ["error": #""secret""#, "status_code": #""undefined""#]), "error", "unknown"),
            (
                log("codex.api_request", ["error.message": #""http 500""#, "http.response.status_code": "500"]),
                "error", "500"
            ),
            (log("codex.api_request", ["http.response.status_code": "408"]), "timeout", "408"),
            (log("codex.api_request", ["error.message": #""timeout""#]), "timeout", "unknown"),
            (log("gemini_cli.api_error", ["error.type": #""ApiError""#, "status_code": "503"]), "error", "ApiError"),
            (
                log("gemini_cli.api_error", ["error.type": #""google.RateLimitError""#]),
                "rate_limited", "RateLimitError"
            ),
            (log("gemini_cli.api_error", ["error_type": #""a secret""#, "status_code": "504"]), "timeout", "504"),
            (log("gemini_cli.api_error", ["status_code": #""RESOURCE_EXHAUSTED""#]), "rate_limited", "unknown"),
        ])
    func failures(record: String, status: String, type: String) throws {
        let record = try #require(try decodeLogs(record).onlyRecord)
        #expect(record.status.text == status)
        #expect(record.errorType?.text == type)
        #expect(record.usage == Usage())
    }

    @Test(
        "an event is known by the event name, by the attribute or by the body",
        arguments: [
            (#""eventName":"claude_code.api_request""#, true),
            (#""attributes":[{"key":"event.name","value":{"stringValue":"gemini_cli.api_response"}}]"#, true),
            (#""body":{"stringValue":"claude_code.api_request"}"#, true),
            (#""eventName":"event src/x.rs:1","body":{"stringValue":"claude_code.api_error"}"#, true),
            (#""body":{"kvlistValue":{"values":[]}},"eventName":"claude_code.api_request""#, true),
            (#""body":{"stringValue":"claude_code.api_request sent"}"#, false),
            (#""eventName":"claude_code.api_requests""#, false), (#""eventName":"Claude_Code.api_request""#, false),
            (#""attributes":[{"key":"event.name","value":{"stringValue":"api_request"}}]"#, false),
            (#""attributes":[{"key":"event.name","value":{"intValue":5}}]"#, false), (#""severityNumber":9"#, false),
        ])
    func events(members: String, isCall: Bool) throws {
        #expect(try decodeLogs("{\(members)}").events.count == (isCall ? 1 : 0))
    }

    @Test(
        "what is ignored is shown by the name of its event; a body never is, unless it repeats that name",
        arguments: [
            (claudeLog("user_prompt", [:]), "claude_code.user_prompt"),
            (log("codex.user_prompt", [:]), "codex.user_prompt"),
            (#"{"eventName":"gen_ai.details","body":{"stringValue":"secret"}}"#, "gen_ai.details"),
            (#"{"body":{"stringValue":"secret"}}"#, "unnamed"), (#"{"eventName":"event src/x.rs:1"}"#, "unnamed"),
            (log("secret words", [:]), "unnamed"), (log("_other", [:]), "unnamed"),
            (log("user_prompt", [:], more: #","body":{"stringValue":"secret.user_prompts"}"#), "user_prompt"),
            (log("user_prompt", [:], more: #","body":{"stringValue":"a secret.user_prompt"}"#), "user_prompt"),
            (log(String(repeating: "a", count: 65), [:]), "unnamed"), ("{}", "unnamed"),
        ])
    func ignored(record: String, name: String) throws {
        #expect(try decodeLogs(record, record).ignored == ["\(name) 2"])
    }

    @Test("of a body's names the first 32 are kept, and the rest are counted together")
    func manyNames() throws {
        let names = (0..<40).map { log("event-\($0)", [:]) }
        let batch = try decode(Array(request(names + names).utf8), .json)
        #expect(batch.ignored == (0..<32).map { "event-\($0) 2" } + ["_other 16"])
    }

    @Test("an agent named by the operator holds for Claude Code's subagents too; others may name it in the record")
    func agents() throws {
        func agent(_ record: String, _ resource: [String: String]) throws -> String? {
            try decode(Array(request([record], resource: resource).utf8), .json).onlyRecord?.labels.agentName.text
        }
        let main = claudeLog([:])
        let subagent = claudeLog(["agent.name": #""Explore""#, "agent_name": #""ignored""#])
        #expect(try agent(main, ["service.name": "claude-code"]) == "claude-code")
        #expect(try agent(subagent, ["service.name": "claude-code"]) == "Explore")
        #expect(try agent(subagent, ["service.name": "claude-code", "agent_name": "Reviewer"]) == "Reviewer")
        #expect(try agent(main, ["service.name": "unknown_service:node"]) == "unknown")
        let named = geminiLog(["agent_name": #""Planner""#])
        #expect(try agent(named, ["service.name": "gemini-cli", "agent_name": "Reviewer"]) == "Planner")
        #expect(try agent(geminiLog([:]), ["service.name": "gemini-cli"]) == "gemini-cli")
        #expect(try agent(codexLog(["input_token_count": "1"]), ["agent_name": "Coder"]) == "Coder")
    }

    @Test("a record without a model is a call of an unknown one")
    func unknownModel() throws {
        let record = try #require(try decodeLogs(claudeLog(["model": #"" ""#, "input_tokens": "3"])).onlyRecord)
        #expect(record.labels.model.text == "unknown")
    }

    @Test("a count that is none rejects its record by its place, and the others are taken")
    func rejections() throws {
        let batch = try decodeLogs(
            log("other", [:]), claudeLog(["input_tokens": "-1", "cache_read_tokens": "5"]),
            claudeLog(["input_tokens": "1", "output_tokens": #""many""#]), claudeLog(["input_tokens": "3"]),
            geminiLog(["output_token_count": "1.5"]))
        #expect(batch.events.map(\.index) == [3])
        #expect(batch.rejections.listed.map(\.index) == [1, 2, 4])
        #expect(batch.rejections.listed.map(\.rejection.field) == ["input_tokens", "output_tokens", "output_tokens"])
    }

    @Test("a detail that breaks a rule is left out with a warning, and the call counts")
    func details() throws {
        let batch = try decodeLogs(
            claudeLog([
                "input_tokens": "3", "cache_read_tokens": #""some""#, "cost_usd": "-1.0", "duration_ms": #""long""#,
            ]))
        #expect(batch.onlyRecord?.usage == Usage(input: 3))
        #expect(batch.onlyRecord?.cost == nil)
        #expect(batch.warnings.count == 3)
    }

    @Test("a call's id is its request id whatever else changes, else all that makes the log record unique")
    func ids() throws {
        func id(_ record: String, _ resource: [String: String] = ["service.name": "a"]) throws -> RecordID? {
            try decode(Array(request([record], resource: resource).utf8), .json).onlyRecord?.id
        }
        let own = ["request_id": #""req_1""#, "input_tokens": "5"]
        #expect(try id(claudeLog(own)) == id(claudeLog(own.merging(["input_tokens": "6"]) { $1 }), ["b": "c"]))
        #expect(try id(claudeLog(own)) == id(claudeLog("api_error", own)))
        #expect(try id(claudeLog(own)) != id(claudeLog(["request_id": #""req_2""#])))

        let whole = ["session.id": #""s""#, "conversation.id": #""c""#, "input_token_count": "5"]
        let known = try id(geminiLog(whole))
        #expect(known != nil)
        // Stays the same across versions: ids are remembered across restarts.
        #expect(known.map { String($0.call.bits, radix: 16) } == "a0e40d3c1dadbe1596e5ed456a805a88")
        #expect(try id(geminiLog(whole.merging(["prompt_id": #""p""#]) { $1 })) == known)
        for (name, value) in [
            ("session.id", #""t""#), ("conversation.id", #""t""#), ("model", #""t""#), ("input_token_count", "6"),
            ("input_token_count", #""5""#), ("thoughts_token_count", "0"),
        ] {
            #expect(try id(geminiLog(whole.merging([name: value]) { $1 })) != known, "\(name)")
        }
        for member in [
            #""timeUnixNano":"1""#, #""observedTimeUnixNano":"1""#, #""spanId":"000000000000000a""#,
            #""traceId":"0000000000000000000000000000000a""#,
        ] {
            let record = geminiLog(whole)
            #expect(try id("{\(member),\(record.drop { $0 != "," }.dropFirst())") != known, "\(member)")
        }
        #expect(try id(geminiLog(whole), ["service.name": "b"]) != known)
        let two = ["service.name": "a", "host.name": "h"]
        #expect(try id(geminiLog(whole), two) != known)
        // An id that looks like a digest is no digest.
        let digest = try #require(known)
        #expect(try id(claudeLog(["request_id": "\"\(String(digest.call.bits, radix: 16))\""])) != known)
    }

    @Test("the time is the record's, else that of its observation; the trace becomes an exemplar")
    func times() throws {
        let trace = #","traceId":"ad9b2046e9263ff030f6a6fe8174873f","spanId":"00f067aa0ba902b7""#
        let record = try #require(try decodeLogs(log("gemini_cli.api_response", [:], more: trace)).onlyRecord)
        #expect(record.trace?.id == "ad9b2046e9263ff030f6a6fe8174873f")
        #expect(record.trace?.unixMilliseconds == 1_795_993_658_636)
        let observed = geminiLog([:]).replacing(
            #""timeUnixNano":"1795993658636000000""#,
            with: #""timeUnixNano":"0","observedTimeUnixNano":1795993659000000000\#(trace)"#)
        #expect(try decodeLogs(observed).onlyRecord?.trace?.unixMilliseconds == 1_795_993_659_000)
    }

    @Test("an answer says how many log records were rejected, and why the first was")
    func answers() throws {
        let format = LogsFormat(.json)
        var outcome = Outcome()
        func answer() -> String { String(decoding: format.answer(to: outcome).body, as: UTF8.self) }
        #expect(answer() == "{}")
        outcome.rejections.append(index: 0, of: nil, .outOfRange) { RecordRejection(code: .outOfRange, message: "m") }
        #expect(
            answer() == #"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"#
                + #""log records that report LLM calls were not counted; the first: m"}}"#)
        #expect(LogsFormat(.protobuf).answer(to: outcome).body.starts(with: [0x0A]))
        outcome.rejections = RejectedRecords()
        outcome.warnings = ["a", "b"]
        #expect(answer() == #"{"partialSuccess":{"errorMessage":"a; b"}}"#)
    }

    @Test(
        "a body that is no request is refused, and an empty one is none",
        arguments: ["", "[", "[]", "5", #"{"resourceLogs":5}"#, #"{"resourceLogs":[{"scopeLogs":[}]}"#])
    func malformed(body: String) throws {
        let error = #expect(throws: MalformedBody.self) { try decode(Array(body.utf8), .json) }
        #expect(error?.detail.contains("ExportLogsServiceRequest") == true)
        for empty in ["{}", #"{"resourceLogs":null}"#, #"{"resourceSpans":[{}]}"#] {
            #expect(try decode(Array(empty.utf8), .json).events.isEmpty)
        }
        #expect(try decode([], .protobuf).events.isEmpty)
    }

    @Test(
        "captured exports have the calls that their senders report",
        arguments: [
            ("claude_proto/01_v1_logs.bin", 2), ("claude_json_traces/02_v1_logs.json", 2),
            ("claude_err_final/01_v1_logs.bin", 1), ("codex/03_v1_logs.bin", 1), ("codex_err/01_v1_logs.json", 2),
        ])
    func captures(name: String, calls: Int) throws {
        let batch = try decode(try fixture("../senders/\(name)"), name.hasSuffix("json") ? .json : .protobuf)
        #expect(batch.events.count == calls)
        #expect(batch.rejections.isEmpty && batch.warnings.isEmpty)
    }

    @Test("a body that is cut anywhere within a message is refused, and nothing of it is taken")
    func truncation() throws {
        let whole = try fixture("../senders/codex/03_v1_logs.bin")
        for length in stride(from: 1, to: whole.count, by: 7) {
            #expect(throws: MalformedBody.self, "\(length)") { try decode(Array(whole[..<length]), .protobuf) }
        }
        let text = try fixture("../senders/codex_err/01_v1_logs.json")
        for length in stride(from: 0, to: text.count - 1, by: 37) {
            #expect(throws: MalformedBody.self, "\(length)") { try decode(Array(text[..<length]), .json) }
        }
    }

    @Test("bytes that are no UTF-8 cost no other log record", arguments: [OTLPEncoding.protobuf, .json])
    func notUTF8(encoding: OTLPEncoding) throws {
        let name = encoding == .json ? "claude_json_traces/02_v1_logs.json" : "claude_proto/01_v1_logs.bin"
        var body = try fixture("../senders/\(name)")
        var damaged = 0
        for place in body.indices.dropLast(3) where body[place...].starts(with: "REDACTED".utf8) {
            body[place] = 0xFF
            damaged += 1
        }
        #expect(damaged > 1)
        #expect(try decode(body, encoding).events.count == 2)
    }

    @Test("random bytes are refused or taken, and end", arguments: 0..<4)
    func random(seed: Int) {
        var numbers = SeededNumbers(seed: seed)
        for _ in 0..<2_000 {
            let body = (0..<Int.random(in: 0...80, using: &numbers)).map { _ in
                UInt8.random(in: 0...255, using: &numbers)
            }
            for encoding in [OTLPEncoding.protobuf, .json] {
                let batch = try? decode(body, encoding)
                #expect(batch?.events.count ?? 0 == 0)
            }
        }
    }

    @Test("log records that report no call leave nothing but their number")
    func many() throws {
        let attribute = Wire.chunk(1, "event.name".utf8) + Wire.chunk(2, Wire.chunk(1, "codex.sse_event".utf8))
        let record = Wire.chunk(2, Wire.chunk(6, attribute) + Wire.chunk(5, Wire.chunk(1, "secret".utf8)))
        let scope = Array(repeatElement(record, count: 20_000).joined())
        let batch = try decode(Wire.chunk(1, Wire.chunk(2, scope)), .protobuf)
        #expect(batch.ignored == ["codex.sse_event 20000"])
    }

    @Test("fields come in any order and in parts, the last scalar counts, unknown ones are skipped")
    func wireFreedom() throws {
        func text(_ name: String, _ value: String) -> [UInt8] {
            Wire.chunk(6, Wire.chunk(2, Wire.chunk(1, value.utf8)) + Wire.chunk(1, name.utf8))
        }
        let record =
            Wire.chunk(12, "other".utf8) + text("model", "m-1") + Wire.chunk(5, Wire.integer(3, 5))
            + Wire.chunk(5, Wire.chunk(1, "other".utf8)) + Wire.fixed64(1, 5) + Wire.fixed32(8, 1)
            + Wire.chunk(12, "gemini_cli.api_response".utf8) + Wire.group(30, Wire.integer(1, 1)) + Wire.integer(1, 7)
            + text("model", "m-2") + Wire.fixed64(1, 1_795_993_700_000_000_000)
        let resource = Wire.chunk(1, Wire.chunk(1, "service.name".utf8) + Wire.chunk(2, Wire.chunk(1, "late".utf8)))
        let group = Wire.chunk(2, Wire.chunk(2, record)) + Wire.chunk(1, []) + Wire.chunk(1, resource)
        let call = try #require(try decode(Wire.chunk(1, group), .protobuf).onlyRecord)
        #expect(call.labels.model.text == "m-1")
        #expect(call.labels.agentName.text == "late")
    }
}
