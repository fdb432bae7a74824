import Bodies
import Model
import Testing

@testable import Formats

/// The time to the first token, from each sender in its own unit.
@Suite("The time to the first token") struct FirstTokenTests {
    private static let arrival = Instant(unixMilliseconds: 1_796_000_004_000)

    /// A span of 3 s with these attributes, as JSON values.
    private static func batch(_ scope: String, _ attributes: [(String, String)]) throws -> DecodedBatch {
        let needed = [("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "p"), ("gen_ai.request.model", "m")]
            .map { ($0.0, #"{"stringValue":"\#($0.1)"}"#) }
        let list = (needed + attributes).map { #"{"key":"\#($0)","value":\#($1)}"# }
        let body = #"""
            {"resourceSpans":[{"scopeSpans":[{"scope":{"name":"\#(scope)"},"spans":[{
            "traceId":"00000000000000000000000000000007","spanId":"0000000000000001",
            "startTimeUnixNano":"1796000000000000000","endTimeUnixNano":"1796000003000000000",
            "attributes":[\#(list.joined(separator: ","))]}]}]}]}
            """#
        return try TracesFormat(.json).decode(PaddedBytes(Array(body.utf8)), arrival: arrival)
    }

    @Test(
        "is read from spans, in microseconds",
        arguments: [
            // OpenTelemetry's conventions: seconds.
            ("s", [("gen_ai.response.time_to_first_chunk", #"{"doubleValue":0.1315288}"#)], 131_529),
            ("s", [("gen_ai.response.time_to_first_chunk", #"{"stringValue":"1.5"}"#)], 1_500_000),
            ("s", [("gen_ai.response.time_to_first_chunk", #"{"intValue":"2"}"#)], 2_000_000),
            // openlit: seconds, of streams alone.
            (
                "openlit.instrumentation.openai",
                [
                    ("gen_ai.server.time_to_first_token", #"{"doubleValue":0.0469}"#),
                    ("gen_ai.request.stream", #"{"boolValue":true}"#),
                ], 46_900
            ),
            (
                "openlit",
                [
                    ("gen_ai.server.time_to_first_token", #"{"doubleValue":0.5}"#),
                    ("gen_ai.request.is_stream", #"{"stringValue":"True"}"#),
                ], 500_000
            ),
            (
                "openlit.instrumentation.openai",
                [
                    ("gen_ai.server.time_to_first_token", #"{"doubleValue":0.0843}"#),
                    ("gen_ai.request.stream", #"{"boolValue":false}"#),
                ], nil
            ),
            ("openlit", [("gen_ai.server.time_to_first_token", #"{"doubleValue":0.5}"#)], nil),
            (
                "other",
                [
                    ("gen_ai.server.time_to_first_token", #"{"doubleValue":0.5}"#),
                    ("gen_ai.request.is_stream", #"{"stringValue":"false"}"#),
                ], nil
            ),
            // Strands: the same name in milliseconds.
            ("strands.telemetry.tracer", [("gen_ai.server.time_to_first_token", #"{"intValue":"173"}"#)], 173_000),
            ("strands.telemetry.tracer", [("gen_ai.server.time_to_first_token", #"{"intValue":"2"}"#)], 2_000),
            // Vercel's AI SDK and Claude Code: milliseconds.
            ("ai", [("ai.response.msToFirstChunk", #"{"doubleValue":812.25}"#)], 812_250),
            ("com.anthropic.claude_code.tracing", [("ttft_ms", #"{"intValue":"115"}"#)], 115_000),
            // Not numbers, and below 0.
            ("s", [("gen_ai.response.time_to_first_chunk", #"{"stringValue":"soon"}"#)], nil),
            ("s", [("gen_ai.response.time_to_first_chunk", #"{"doubleValue":-1}"#)], nil),
        ] as [(String, [(String, String)], Int64?)])
    func spans(scope: String, attributes: [(String, String)], microseconds: Int64?) throws {
        let batch = try Self.batch(scope, attributes)
        #expect(batch.warnings.isEmpty && batch.rejections.isEmpty)
        #expect(try #require(batch.onlyRecord).timeToFirstTokenMicroseconds == microseconds)
    }

    @Test("is a time of day less the span's start, to the microsecond")
    func langfuse() throws {
        for (text, microseconds) in [
            ("2026-11-30T00:53:20.750001Z", 750_001), ("2026-11-30T01:53:21+01:00", 1_000_000), ("never", nil),
            // Before the start.
            ("2026-11-30T00:53:19.9Z", nil),
        ] as [(String, Int64?)] {
            for value in [text, #"\"\#(text)\""#] {
                let name = "langfuse.observation.completion_start_time"
                let batch = try Self.batch("langfuse-sdk", [(name, #"{"stringValue":"\#(value)"}"#)])
                #expect(try #require(batch.onlyRecord).timeToFirstTokenMicroseconds == microseconds, "\(value)")
            }
        }
    }

    @Test("is that of the last token if it comes little later, and left out with a warning if it comes much later")
    func pastTheEnd() throws {
        for (seconds, microseconds) in [
            ("3", 3_000_000), ("3.2999", 3_000_000), ("3.31", nil), ("3000", nil),
        ] as [(String, Int64?)] {
            let value = #"{"doubleValue":\#(seconds)}"#
            let batch = try Self.batch("s", [("gen_ai.response.time_to_first_chunk", value)])
            let record = try #require(batch.onlyRecord)
            #expect(record.timeToFirstTokenMicroseconds == microseconds, "\(seconds)")
            #expect(record.latencyMicroseconds == 3_000_000)
            #expect(batch.warnings.isEmpty == (microseconds != nil))
        }
    }

    @Test("of LiteLLM is that of streams alone")
    func liteLLM() throws {
        for (stream, start, microseconds) in [
            ("true", "100.25", 250_000), ("true", "99", nil), ("true", "null", nil), ("false", "100.25", nil),
            ("null", "101", nil),
        ] as [(String, String, Int64?)] {
            let body = #"""
                [{"model":"m","custom_llm_provider":"p","status":"success","stream":\#(stream),"startTime":100,
                "completionStartTime":\#(start),"endTime":101,"prompt_tokens":1,"completion_tokens":1}]
                """#
            let batch = try LiteLLMFormat(agentName: nil).decode(PaddedBytes(Array(body.utf8)), arrival: Self.arrival)
            #expect(try #require(batch.onlyRecord).timeToFirstTokenMicroseconds == microseconds, "\(stream) \(start)")
        }
    }

    @Test("of a record is at most its latency, and enters the content only if it is there")
    func records() throws {
        func decoded(_ fields: String) throws -> DecodedBatch { try decode(record(#""id":"1""# + fields)) }
        let plain = try #require(try decoded(#","latency_ms":5"#).onlyRecord)
        let null = try #require(try decoded(#","latency_ms":5,"ttft_ms":null"#).onlyRecord)
        let timed = try #require(try decoded(#","latency_ms":5,"ttft_ms":5"#).onlyRecord)
        #expect(plain.id?.content == null.id?.content && plain.id?.content != timed.id?.content)
        #expect(timed.timeToFirstTokenMicroseconds == 5000)
        #expect(try decoded(#","ttft_ms":86400000"#).onlyRecord?.timeToFirstTokenMicroseconds == 86_400_000_000)
        for (fields, code) in [
            (#","latency_ms":5,"ttft_ms":5.001"#, RecordRejection.Code.inconsistent), (#","ttft_ms":-1"#, .outOfRange),
            (#","ttft_ms":86400001"#, .outOfRange), (#","ttft_ms":"1""#, .wrongType),
            (#","ttft_ms":1,"ttft_ms":1"#, .duplicateKey),
        ] {
            let rejection = try #require(try decoded(fields).onlyRejection)
            #expect(rejection.code == code && rejection.field == "ttft_ms", "\(fields)")
        }
    }
}
