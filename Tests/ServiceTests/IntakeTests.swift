import Bodies
import Foundation
import HTTP
import Ledger
import Model
import Store
import Testing

@testable import Service

@Suite("Intake") struct IntakeTests {
    @Test("a record is acknowledged, and the next scrape shows it")
    func acknowledged() throws {
        let service = try ServiceUnderTest()
        let answer = try service.post("/record", record)
        #expect(answer.status == 200)
        #expect(answer.text == #"{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}"# + "\n")
        let labels = #"agent_name="a",provider="openai",model="gpt-4o-mini""#
        #expect(try service.sample("llm_tokens_total{\(labels)}") == "3")
        #expect(try service.sample("llm_cost_usd_total{\(labels)}") == "0.5")
        #expect(try service.sample("llm_exporter_records_accepted_total") == "1")
        #expect(try service.sample(#"llm_exporter_cost_source_total{source="reported"}"#) == "1")
    }

    @Test("a batch names its bad records by place; a body of bad records alone is 422")
    func rejected() throws {
        let service = try ServiceUnderTest()
        let mixed = try service.post("/record", "[\(record),{}]")
        #expect(mixed.status == 200)
        #expect(mixed.json["accepted"] as? Int == 1)
        let errors = try #require(mixed.json["errors"] as? [[String: Any]])
        #expect(errors.map { $0["index"] as? Int } == [1])
        #expect(errors.first?["code"] as? String == "missing")
        let bad = try service.post("/record", "{}")
        #expect(bad.status == 422)
        #expect(bad.header("Content-Type") == "application/problem+json")
        #expect(try service.sample(#"llm_exporter_records_rejected_total{reason="missing"}"#) == "2")
    }

    @Test("an id counts once; an Idempotency-Key gives ids to records without one")
    func ids() throws {
        let service = try ServiceUnderTest()
        let headers = ["Content-Type": "application/json", "Idempotency-Key": "k"]
        #expect(try service.post("/record", record, headers: headers).json["accepted"] as? Int == 1)
        #expect(try service.post("/record", record, headers: headers).json["duplicates"] as? Int == 1)
        let long = try service.post(
            "/record", record, headers: ["Idempotency-Key": String(repeating: "k", count: 201)])
        #expect(long.status == 400)
    }

    @Test(
        "bodies that cannot be read say why",
        arguments: [
            ("/record", "[", ["Content-Type": "application/json"], 400),
            ("/record", "", ["Content-Type": "application/json"], 400),
            ("/record", record, ["Content-Type": "text/csv"], 415),
            ("/record", record, ["Content-Encoding": "br"], 415),
            ("/record", record, ["Content-Encoding": "gzip"], 400),
            ("/v1/traces", "{}", ["Content-Type": "text/plain"], 415),
            ("/v1/traces", "[", ["Content-Type": "application/json"], 400),
            ("/v1/logs", "{}", ["Content-Type": "text/plain"], 415),
            ("/v1/logs", "[", ["Content-Type": "application/json"], 400),
            ("/litellm", "?", [:], 400),
        ])
    func unreadable(path: String, body: String, headers: [String: String], status: Int) throws {
        let answer = try ServiceUnderTest().post(path, body, headers: headers)
        #expect(answer.status == status)
        #expect(answer.json[path.hasPrefix("/v1/") ? "message" : "detail"] is String)
    }

    @Test("OTLP senders get their own form of refusal, in their encoding")
    func otlpErrors() throws {
        let service = try ServiceUnderTest()
        let json = try service.post("/v1/traces", "[", headers: ["Content-Type": "application/json"])
        #expect(json.json["code"] as? Int == 3)
        let protobuf = try service.post("/v1/traces", "\u{1}", headers: ["Content-Type": "application/x-protobuf"])
        #expect(protobuf.status == 400)
        #expect(protobuf.header("Content-Type") == "application/x-protobuf")
    }

    @Test("a log record that reports a call counts, and the others are counted by the name of their event")
    func logs() throws {
        let service = try ServiceUnderTest()
        func record(_ event: String, _ input: String) -> String {
            #"""
            {"attributes":[{"key":"event.name","value":{"stringValue":"\#(event)"}},
            {"key":"model","value":{"stringValue":"gemini-2.5-pro"}},
            {"key":"input_token_count","value":{"intValue":\#(input)}}]}
            """#
        }
        let records = [
            record("gemini_cli.api_response", "7"), record("gemini_cli.user_prompt", "0"),
            record("gemini_cli.api_response", "-1"),
        ]
        let body = #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[\#(records.joined(separator: ","))]}]}]}"#
        let answer = try service.post("/v1/logs", body)
        #expect(answer.status == 200)
        let partial = try #require(answer.json["partialSuccess"] as? [String: Any])
        #expect(partial["rejectedLogRecords"] as? String == "1")
        #expect((partial["errorMessage"] as? String)?.contains("input_tokens") == true)
        let labels = #"agent_name="unknown",provider="gemini",model="gemini-2.5-pro""#
        #expect(try service.sample("llm_tokens_total{\(labels)}") == "7")
        #expect(
            try service.sample(#"llm_exporter_ignored_log_records_total{event="gemini_cli.user_prompt"}"#) == "1")
        #expect(try service.sample("llm_exporter_records_accepted_total") == "1")
    }

    @Test("names of events past the 32nd share one label value")
    func manyEvents() throws {
        let service = try ServiceUnderTest()
        for first in [0, 30, 60] {
            let records = (first..<first + 30).map { number in
                #"{"attributes":[{"key":"event.name","value":{"stringValue":"event-\#(number)"}}]}"#
            }
            let body = #"{"resourceLogs":[{"scopeLogs":[{"logRecords":[\#(records.joined(separator: ","))]}]}]}"#
            #expect(try service.post("/v1/logs", body).status == 200)
        }
        #expect(try service.sample(#"llm_exporter_ignored_log_records_total{event="event-31"}"#) == "1")
        #expect(try service.sample(#"llm_exporter_ignored_log_records_total{event="event-32"}"#) == nil)
        #expect(try service.sample(#"llm_exporter_ignored_log_records_total{event="_other"}"#) == "58")
    }

    @Test("LiteLLM's logger gets 200 even for items that break a rule, because it drops a batch that fails")
    func liteLLM() throws {
        let answer = try ServiceUnderTest().post("/litellm", "[{}]")
        #expect(answer.status == 200)
        #expect(answer.json["rejected"] as? Int == 1)
    }

    @Test("a body over the limit is 413, compressed or not; one at the limit is taken")
    func limits() throws {
        let service = try ServiceUnderTest { $0.bodyLimitBytes = record.utf8.count }
        #expect(try service.post("/record", record).status == 200)
        #expect(try service.post("/record", record + " ").status == 413)
        let packed = try #require(ContentCoding.gzip.encode(Array((record + "  ").utf8)))
        let exchange = ExchangeDouble("POST", "/record", headers: ["Content-Encoding": "gzip"], body: packed)
        #expect(try service.response(to: exchange)?.status == 413)
    }

    @Test("a large body is decoded off the server thread, and a small one that unpacks to it")
    func large() throws {
        let service = try ServiceUnderTest()
        let many = "[" + Array(repeating: record, count: 5000).joined(separator: ",") + "]"
        #expect(try service.post("/record", many).json["accepted"] as? Int == 5000)
        let packed = try #require(ContentCoding.zstd.encode(Array(many.utf8)))
        #expect(packed.count < 64 << 10)
        let exchange = ExchangeDouble("POST", "/record", headers: ["Content-Encoding": "zstd"], body: packed)
        #expect(try service.response(to: exchange)?.json["accepted"] as? Int == 5000)
        #expect(try service.sample("llm_exporter_records_accepted_total") == "10000")
    }

    @Test("a ledger that is closed refuses before anything is decoded")
    func closed() throws {
        let service = try ServiceUnderTest()
        service.service.ledger.close(within: .seconds(5))
        let answer = try service.post("/record", "not even JSON")
        #expect(answer.status == 503)
        #expect(answer.closesConnection)
        #expect(answer.header("Retry-After") == "1")
    }
}
