import Bodies
import Formats
import HTTP
import Model
import Testing

private let spanArrival = Instant(unixMilliseconds: 1_795_456_800_000)

private func decode(_ body: [UInt8], _ encoding: OTLPEncoding) throws(MalformedBody) -> DecodedBatch {
    try TracesFormat(encoding).decode(PaddedBytes(body), arrival: spanArrival)
}

private func decode(json: String) throws(MalformedBody) -> DecodedBatch {
    try decode(Array(json.utf8), .json)
}

/// A span that reports a chat, with `attributes` after those that every call needs.
private func span(
    id: Int, parent: Int? = nil, start: Int = 1000, end: Int = 2000, _ attributes: String = "", status: String = "{}",
    members: String = ""
) -> String {
    func hexadecimal(_ number: Int, digits: Int) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }
    let parent = parent.map { #","parentSpanId":"\#(hexadecimal($0, digits: 16))""# } ?? ""
    return #"""
        {"traceId":"\#(hexadecimal(7, digits: 32))","spanId":"\#(hexadecimal(id, digits: 16))"\#(parent),
        "startTimeUnixNano":"\#(start)000000","endTimeUnixNano":\#(end)000000,
        "status":\#(status)\#(members),"attributes":[
        {"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},
        {"key":"gen_ai.system","value":{"stringValue":"openai"}},
        {"key":"llm.model_name","value":{"stringValue":"gpt-4o-mini"}}\#(attributes.isEmpty ? "" : "," + attributes)]}
        """#
}

private func attribute(_ key: String, _ value: String) -> String { #"{"key":"\#(key)","value":\#(value)}"# }

private func request(_ scopes: [(String, [String])], resource: String = "") -> String {
    let scopes = scopes.map { #"{"scope":{"name":"\#($0)"},"spans":[\#($1.joined(separator: ","))]}"# }
    let joined = scopes.joined(separator: ",")
    return #"{"resourceSpans":[{"resource":{"attributes":[\#(resource)]},"scopeSpans":[\#(joined)]}]}"#
}

extension DecodedBatch {
    fileprivate var records: [CallRecord] {
        events.compactMap { if case .end(let record) = $0.event { record } else { nil } }
    }
}

@Suite("Traces") struct TraceTests {
    @Test("a captured export of traceloop becomes a record a call")
    func traceloop() throws {
        let traces = try decode(try fixture("traceloop.bin"), .protobuf)
        let records = traces.records
        #expect(records.count == 8)
        #expect(traces.rejections.isEmpty)
        #expect(records[0].labels.agentName.text == "planner-agent")
        #expect(records[0].labels.provider.text == "openai")
        #expect(records[0].labels.model.text == "gpt-4o-mini")
        #expect(records[0].usage == Usage(input: 1200, output: 34, cacheRead: 1024, reasoning: 10))
        #expect(records[0].latencyMicroseconds == 59_931)
        #expect(records[0].trace?.id == "ad9b2046e9263ff030f6a6fe8174873f")
        #expect(records[1].usage.isMissing && records[1].isSuccess)
        #expect(records[3].errorType?.text == "RateLimitError")
    }

    @Test("an export in JSON says the same as one in protobuf")
    func json() throws {
        let record = try #require(try decode(try fixture("traces.json"), .json).records.first)
        #expect(record.labels.agentName.text == "planner")
        #expect(record.usage == Usage(input: 1200, output: 34))
        #expect(record.latencyMicroseconds == 20)
        #expect(record.trace?.id == "6733593016d53642741205186b62c2c5")
        #expect(record.id != nil)
    }

    @Test("spans that hold calls are not calls")
    func containers() throws {
        let body = request([("a", [span(id: 1)])]).replacing("chat", with: "invoke_agent")
        let traces = try decode(json: body)
        #expect(traces.events.isEmpty && traces.rejections.isEmpty)
        #expect(traces.ignoredSpans.otherSpans == 1)
        #expect(traces.links.map(\.holdsCalls) == [true])
    }

    @Test("a call comes with what tells other reports of it, and spans that report none with their place")
    func reports() throws {
        let response = attribute("gen_ai.response.id", #"{"stringValue":"r"}"#)
        let body = request([("a", [span(id: 1, response)]), ("b", [span(id: 2, parent: 1)])])
        let traces = try decode(json: body)
        let reports = traces.records.compactMap(\.report)
        #expect(reports.map(\.span?.span) == [1, 2])
        let link = span(id: 3, parent: 2).replacing("chat", with: "fetch_response")
        let links = try decode(json: request([("a", [link])])).links
        #expect(links.map(\.id.span) == [3] && links.map(\.parentNumber) == [2])
    }

    @Test(
        "LangSmith's prompts and retrievers are not calls, though they have the operations of calls",
        arguments: [("llm", 1), ("embedding", 1), ("prompt", 0), ("retriever", 0), ("chain", 0)])
    func langSmithKinds(kind: String, calls: Int) throws {
        let kind = attribute("langsmith.span.kind", #"{"stringValue":"\#(kind)"}"#)
        #expect(try decode(json: request([("a", [span(id: 1, kind)])])).records.count == calls)
    }

    @Test("the first cost above 0 is the reported one, and the first code that is a number tells the failure")
    func firstThatSays() throws {
        let cost = [
            attribute("gen_ai.usage.cost", #"{"doubleValue":0}"#),
            attribute("operation.cost", #"{"doubleValue":0.25}"#),
        ]
        let record = try decode(json: request([("a", [span(id: 1, cost.joined(separator: ","))])])).onlyRecord
        #expect(record?.cost == Money(picoUSD: 250_000_000_000))
        let codes = [
            attribute("http.response.status_code", #"{"stringValue":"none"}"#),
            attribute("http.status_code", #"{"intValue":"429"}"#),
        ]
        let failed = span(id: 1, codes.joined(separator: ","), status: #"{"code":2}"#)
        #expect(try decode(json: request([("a", [failed])])).onlyRecord?.status.text == "rate_limited")
    }

    @Test("names of ignored spans above 64 bytes are one: they may be parts of prompts")
    func longNames() throws {
        let names = [
            String(repeating: "n", count: 64), String(repeating: "n", count: 65),
            String(repeating: "Which ships are late? ", count: 4),
        ]
        let spans = names.map { #"{"name":"\#($0)","spanId":"0000000000000001"}"# }
        let ignored = try decode(json: request([("a", spans)])).ignoredSpans.names
        #expect(ignored == [names[0]: 1, "_other": 2])
    }

    @Test("a call without a model is one of an unknown model")
    func rejection() throws {
        let body = request([("a", [span(id: 1), span(id: 2)])])
        let traces = try decode(json: body.replacing("llm.model_name", with: "other", maxReplacements: 1))
        #expect(traces.records.map(\.labels.model.text).filter { $0 == "unknown" }.count == 1)
        #expect(traces.rejections.isEmpty)
    }

    @Test("a span in two requests, of which one names its agent, has one id")
    func agents() throws {
        let agent = attribute("gen_ai.agent.name", #"{"stringValue":"A"}"#)
        let parent = span(id: 1, agent).replacing("chat", with: "invoke_agent")
        let known = try decode(json: request([("a", [parent, span(id: 2, parent: 1)])])).records
        let alone = try decode(json: request([("a", [span(id: 2, parent: 1)])])).records
        #expect(known.map(\.labels.agentName.text) == ["A"] && alone.map(\.labels.agentName.text) == ["unknown"])
        #expect(known.first?.id != nil && known.first?.id == alone.first?.id)
    }

    @Test(
        "the operator's attributes name the agent before all others",
        arguments: [
            // On the span, on the one above it, and on the resource.
            ([#"user.email"#], [], [], "user.email"), ([], ["user.email"], [], "user.email"),
            ([], [], ["user.email"], "user.email"), (["user_email"], ["user.email"], ["user.email"], "user_email"),
            ([], ["user.email"], ["user.email"], "user.email"), (["team", "user.email"], [], [], "user.email"),
            (["team"], ["user.email"], [], "user.email"), (["team"], [], ["user.email"], "user.email"),
            (["team"], ["team"], [], "team"), ([], [], ["team", "user.email"], "user.email"),
            ([], [], [], "gen_ai.agent.name"), ([], [], ["other"], "gen_ai.agent.name"),
        ])
    func chosenAgents(call: [String], parent: [String], resource: [String], expected: String) throws {
        func attributes(_ names: [String], of place: String) -> String {
            names.map { attribute($0, #"{"stringValue":"\#($0) of \#(place)"}"#) }.joined(separator: ",")
        }
        let call = call + ["gen_ai.agent.name", "agent_name"]
        let above = span(id: 1, attributes(parent, of: "parent")).replacing("chat", with: "invoke_agent")
        let body = request(
            [("a", [above, span(id: 2, parent: 1, attributes(call, of: "call"))])],
            resource: attributes(resource, of: "resource"))
        let format = TracesFormat(.json, operatorAttributes: OperatorAttributes(agentNames: ["user.email", "team"]))
        let records = try format.decode(PaddedBytes(Array(body.utf8)), arrival: spanArrival).records
        let place = call.contains(expected) ? "call" : parent.contains(expected) ? "parent" : "resource"
        #expect(records.map(\.labels.agentName.text) == ["\(expected) of \(place)"])
        // Without them nothing changes.
        #expect(try decode(json: body).records.map(\.labels.agentName.text) == ["gen_ai.agent.name of call"])
    }

    @Test(
        "what no agent may have as its name names none",
        arguments: [#"{"stringValue":"_x"}"#, #"{"stringValue":" "}"#, #"{"arrayValue":{}}"#])
    func noChosenAgent(value: String) throws {
        let body = request(
            [("a", [span(id: 1, attribute("user.email", value) + "," + attribute("team", #"{"intValue":"7"}"#))])])
        let format = TracesFormat(.json, operatorAttributes: OperatorAttributes(agentNames: ["user.email", "team"]))
        let records = try format.decode(PaddedBytes(Array(body.utf8)), arrival: spanArrival).records
        #expect(records.map(\.labels.agentName.text) == ["7"])
    }

    @Test("what is no UTF-8 in one text costs no span", arguments: [OTLPEncoding.protobuf, .json])
    func encodings(encoding: OTLPEncoding) throws {
        var body = try fixture(encoding == .protobuf ? "traceloop.bin" : "traces.json")
        let count = try decode(body, encoding).records.count
        // Within the name of the model, and so in what is read.
        let model = try #require(body.firstRange(of: Array("gpt-4o".utf8)))
        body[model.lowerBound] = 0xFF
        #expect(try decode(body, encoding).records.count == count)
    }

    @Test("each byte that is missing, or another, leaves a batch or a refusal")
    func damage() throws {
        for (name, encoding) in [("openai-v2.bin", OTLPEncoding.protobuf), ("traces.json", .json)] {
            let body = try fixture(name)
            for place in body.indices {
                for damaged in [Array(body[..<place]), body[..<place] + [0xFF] + body[(place + 1)...]] {
                    _ = try? decode(damaged, encoding)
                }
            }
        }
    }

    @Test(
        "bodies that nest without end are refused",
        arguments: [
            #"{"a":"#, "[", #"{"a":["#, #"{"resourceSpans":[{"a":["#,
            #"{"resourceSpans":[{"resource":{"attributes":[{"value":{"kvlistValue":{"values":["#,
        ])
    func nesting(start: String) {
        let body = Array((start + String(repeating: #"[{"a":"#, count: 50_000)).utf8)
        #expect(throws: MalformedBody.self) { try decode(body, .json) }
        #expect(throws: MalformedBody.self) { try decode(Array(repeating: 0x0B, count: 100_000), .protobuf) }
    }

    @Test("the media type decides the encoding")
    func mediaTypes() {
        #expect(OTLPEncoding(contentType: "application/x-protobuf") == .protobuf)
        #expect(OTLPEncoding(contentType: "application/json; charset=utf-8") == .json)
        #expect(OTLPEncoding(contentType: "Application/JSON") == .json)
        #expect(OTLPEncoding(contentType: "text/plain") == nil)
        #expect(OTLPEncoding(contentType: nil) == nil)
    }

    @Test("answers are OTLP's own, in the encoding of the request")
    func answers() {
        #expect(OTLPAnswer.success(.protobuf).body.isEmpty)
        #expect(OTLPAnswer.success(.json).body == Array("{}".utf8))
        // Field 1, of field 1 the number and of field 2 the text.
        #expect(
            OTLPAnswer.partialSuccess(rejected: 2, of: .traces, message: "m", .protobuf).body
                == [0x0A, 5, 8, 2, 0x12, 1, 0x6D])
        #expect(
            OTLPAnswer.partialSuccess(rejected: 2, of: .traces, message: "m", .json).body
                == Array(#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"m"}}"#.utf8))
        #expect(OTLPAnswer.error(.retryLater("m"), .protobuf).body == [8, 14, 0x12, 1, 0x6D])
        #expect(
            OTLPAnswer.error(Problem(status: 400, detail: "m"), .json).body
                == Array(#"{"code":3,"message":"m"}"#.utf8))
    }

    @Test("a full disk is 503 to OTLP senders, which do not try again after 507; Retry-After stays")
    func fullDisk() {
        let answer = OTLPAnswer.error(.retryLater(status: 507, "full"), .json)
        #expect(answer.status == 503)
        #expect(answer.headers.contains { $0.name == "Retry-After" && $0.value == "1" })
        #expect(answer.body == Array(#"{"code":14,"message":"full"}"#.utf8))
    }
}
