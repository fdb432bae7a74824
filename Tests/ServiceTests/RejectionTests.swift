import Foundation
import HTTP
import Testing

@testable import Service

@Suite("Rejections") struct RejectionTests {
    private func rejections(of service: ServiceUnderTest) throws -> [[String: Any]] {
        try #require(try service.get("/api/v1/rejections").json["rejections"] as? [[String: Any]])
    }

    private func fields(_ name: String, of service: ServiceUnderTest) throws -> [String?] {
        try rejections(of: service).map { $0[name] as? String }
    }

    private static let json = ["Content-Type": "application/json"]

    @Test("each rejected record is listed with its sender, agent, field and code, and nothing else of it")
    func records() throws {
        let service = try ServiceUnderTest()
        let body = """
            [{"agent_name":"one","provider":"p","model":"m","latency_ms":-1,"id":"secret"},
             {"agent_name":" two ","provider":"p"},{"agent_name":"_three","provider":"p","model":"m"},7]
            """
        _ = try service.response(
            to: ExchangeDouble("POST", "/record", headers: Self.json, body: Array(body.utf8), peer: "192.0.2.9"))
        let listed = try rejections(of: service)
        #expect(listed.map { $0["agent_name"] as? String } == [nil, nil, "two", "one"])
        #expect(listed.map { $0["field"] as? String } == [nil, "agent_name", "model", "latency_ms"])
        #expect(listed.map { $0["code"] as? String } == ["not_an_object", "reserved", "missing", "out_of_range"])
        for one in listed {
            #expect(Set(one.keys) == ["time", "peer", "route", "agent_name", "field", "code"])
            #expect(one["peer"] as? String == "192.0.2.9")
            #expect(one["route"] as? String == "/record")
            #expect((one["time"] as? String)?.hasSuffix("Z") == true)
        }
        #expect(try !service.get("/api/v1/rejections").text.contains("secret"))
    }

    @Test("the ledger's rejections, LiteLLM's items and spans are listed, too")
    func otherIntakes() throws {
        let service = try ServiceUnderTest()
        for cost in [1, 2] {
            _ = try service.post(
                "/record", #"{"agent_name":"a","provider":"p","model":"m","id":"x","cost_usd":\#(cost)}"#)
        }
        _ = try service.post("/litellm", #"[{"model":"m","prompt_tokens":-1,"requester_metadata":{}}]"#)
        let span = """
            {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
            "scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174",
            "name":"chat","startTimeUnixNano":"1","endTimeUnixNano":"2","attributes":[
            {"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},
            {"key":"gen_ai.provider.name","value":{"stringValue":"p"}},
            {"key":"gen_ai.request.model","value":{"stringValue":"_m"}}]}]}]}]}
            """
        _ = try service.post("/v1/traces", span)
        #expect(try fields("code", of: service).contains("id_reused"))
        #expect(
            try fields("route", of: service).sorted { $0 ?? "" < $1 ?? "" } == ["/litellm", "/record", "/v1/traces"])
        #expect(try fields("agent_name", of: service) == ["shop", "unknown", "a"])
    }

    @Test("a post that cannot be read is listed with the agent that its header names; a stranger's is not")
    func posts() throws {
        let service = try ServiceUnderTest()
        _ = try service.post("/record", "[", headers: ["Content-Type": "application/json", "X-Agent-Name": "cut"])
        _ = try service.post("/record", "{}", headers: ["Content-Type": "text/plain"])
        _ = try service.post("/record", "{}", headers: ["Content-Encoding": "br"])
        _ = try service.post("/nowhere", "{}")
        _ = try service.get("/record")
        #expect(try fields("code", of: service) == ["content_coding", "media_type", "malformed_body"])
        #expect(try fields("agent_name", of: service) == [nil, nil, "cut"])
        let guarded = try ServiceUnderTest(
            web: """
                bearer_tokens:
                  - {name: s, scopes: [scrape],
                     sha256: 41369aae32e5cc50e94b626f9f49cef39b6a57243708bcaa06662f19bdae5483}
                """)
        let token = ["Authorization": "Bearer scrape-token"]
        _ = try guarded.post("/record", "{}")
        _ = try guarded.post("/record", "{}", headers: token)
        let listed = try guarded.get("/api/v1/rejections", headers: token).json["rejections"] as? [[String: Any]]
        #expect(listed?.map { $0["code"] as? String } == ["forbidden"])
    }

    @Test("the last hundred are kept, the newest first")
    func bounded() throws {
        let service = try ServiceUnderTest()
        for first in stride(from: 0, to: 250, by: 50) {
            let records = (first..<first + 50).map { #"{"agent_name":"a\#($0)","provider":"p"}"# }
            _ = try service.post("/record", "[\(records.joined(separator: ","))]")
        }
        #expect(try fields("agent_name", of: service) == (150..<250).reversed().map { "a\($0)" })
        // One body of many: of it the answer lists the first hundred, and so does this.
        let many = Array(repeating: "{}", count: 100_000).joined(separator: ",")
        _ = try service.post("/record", "[\(many)]")
        #expect(try fields("code", of: service) == Array(repeating: "missing", count: 100))
    }

    @Test("at debug level each refused request and record has a line with its sender, route, agent, field and code")
    func debugLines() throws {
        let service = try ServiceUnderTest()
        _ = try service.post("/record", #"{"agent_name":"a","provider":"p","model":"m","latency_ms":-1,"id":"secret"}"#)
        _ = try service.post("/record", "secret", headers: ["X-Agent-Name": "b"])
        _ = try service.get("/secret")
        #expect(
            service.logLines == [
                "debug Rejected a record agent_name=a code=out_of_range field=latency_ms index=0 peer=192.0.2.1 "
                    + "route=/record",
                "debug Refused a request agent_name=b code=malformed_body peer=192.0.2.1 route=/record status=400",
                "debug Refused a request code=no_such_path peer=192.0.2.1 route=other status=404",
            ])
    }

    @Test("a reset and a forget say what was removed, and by whom")
    func culprits() throws {
        let service = try ServiceUnderTest(
            web: """
                bearer_tokens:
                  - {name: night shift, scopes: [admin, record],
                     sha256: 10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a}
                """)
        let headers = ["Authorization": "Bearer admin-token", "Content-Type": "application/json"]
        _ = try service.post("/record", record, headers: headers)
        _ = try service.post("/api/v1/admin/forget?agent_name=a&model=gpt-4o-mini", headers: headers)
        _ = try service.post("/api/v1/admin/reset?budgets=true", headers: headers)
        #expect(
            service.logLines == [
                "info Forgot series agent_name=a client=token night shift model=gpt-4o-mini peer=192.0.2.1 series=1",
                "info Reset all series, and what was spent of budgets client=token night shift peer=192.0.2.1",
            ])
    }
}
