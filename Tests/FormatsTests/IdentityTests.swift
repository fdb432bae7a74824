import Formats
import Model
import Testing

@Suite("Ids and contents") struct IdentityTests {
    private func id(_ members: String, key: String? = nil) throws -> RecordID? {
        try decode(record(members), key: key).onlyRecord?.id
    }

    @Test(
        "the same content written differently is the same",
        arguments: [
            (#""input_tokens":5"#, #""input_tokens":5.0"#), (#""input_tokens":1e3"#, #""input_tokens":1000"#),
            (#""latency_ms":1.5"#, #""latency_ms":15e-1"#), (#""cost_usd":0.10"#, #""cost_usd":1e-1"#),
            (#""memory_rss_mb":-0"#, #""memory_rss_mb":0.0"#), (#""status":"success""#, #""status":null"#),
            (#""error_type":"x""#, #""total_tokens":null"#),
            (#""status":"error""#, #""status":"error","error_type":"unknown""#),
            (#""timestamp":5"#, #""timestamp":"2025-01-01T00:00:00Z""#), (#""trace_id":"ab""#, #""foo":1"#),
            (#""event":"end""#, #""event":null"#),
        ])
    func equalContents(left: String, right: String) throws {
        let first = try #require(try id(#""id":"1","# + left))
        #expect(try id(right + #","id":"\u0031""#) == first)
    }

    @Test(
        "each known field is part of the content",
        arguments: [
            #""status":"error""#, #""status":"timeout""#, #""status":"error","error_type":"a""#, #""input_tokens":0"#,
            #""output_tokens":0"#, #""total_tokens":0"#, #""cache_read_tokens":0"#, #""cache_write_tokens":0"#,
            #""reasoning_tokens":0"#, #""cost_usd":0"#, #""latency_ms":0"#, #""api_latency_ms":0"#,
            #""memory_rss_mb":0"#, #""memory_available_mb":0"#, #""memory_rss_mb":0.5"#, #""cost_usd":0.000000000001"#,
        ])
    func differentContents(members: String) throws {
        let plain = try #require(try id(#""id":"1""#))
        let other = try #require(try id(#""id":"1","# + members))
        #expect(other.call == plain.call)
        #expect(other.content != plain.content)
    }

    @Test("names are part of the content, and of the id only the agent's")
    func names() throws {
        func id(_ agent: String, _ provider: String, _ model: String) throws -> RecordID {
            let body = "{\"id\":\"1\",\"agent_name\":\"\(agent)\",\"provider\":\"\(provider)\",\"model\":\"\(model)\"}"
            return try #require(try decode(body).onlyRecord?.id)
        }
        let first = try id("a", "p", "m")
        #expect(try id(" a ", "p ", " m") == first)
        #expect(try id("b", "p", "m").call != first.call)
        #expect(try id("a", "pm", "m").call == first.call)
        #expect(try id("a", "pm", "m").content != first.content)
        #expect(try id("a", "m", "p").content != first.content)
        #expect(try id("a", "pm", "x").content != id("a", "p", "mx").content)
        #expect(try id("é", "p", "m").call != id("e\u{301}", "p", "m").call)
    }

    @Test("agent and id do not run into one another")
    func separation() throws {
        let left = try decode(#"{"agent_name":"ab","id":"c","provider":"p","model":"m"}"#).onlyRecord?.id
        let right = try decode(#"{"agent_name":"a","id":"bc","provider":"p","model":"m"}"#).onlyRecord?.id
        #expect(left != nil && left?.call != right?.call)
    }

    @Test("digests stay what they are: they are remembered across restarts")
    func fixedDigests() throws {
        let id = try #require(try id(#""id":"1","latency_ms":5,"cost_usd":0.5,"memory_rss_mb":2"#))
        #expect(id.call.bits == 74_869_921_757_310_024_782_556_144_924_852_934_604)
        #expect(id.content == 17_913_420_791_946_655_395)
    }

    @Test("Idempotency-Key gives K/0, K/1 by place to records without an id")
    func idempotencyKey() throws {
        let body = "[\(record()),5,\(record(#""id":"own""#)),\(record(#""id":null"#))]"
        let batch = try decode(body, key: "\"K\"")
        let calls = batch.events.map { event -> Digest? in
            if case .end(let record) = event.event { record.id?.call } else { nil }
        }
        #expect(try calls == [id(#""id":"K/0""#)?.call, id(#""id":"own""#)?.call, id(#""id":"K/3""#)?.call])
        #expect(try decode(record()).onlyRecord?.id == nil)
    }

    @Test("an Idempotency-Key has 1 to 200 bytes")
    func idempotencyKeyBounds() {
        let long = String(repeating: "k", count: 200)
        for good in ["k", "\"k\"", long, "\"\(long)\"", "\"", "a\"b"] { #expect(IdempotencyKey(header: good) != nil) }
        for bad in ["", "\"\"", long + "k", "\"\(long)k\"", long + "é"] { #expect(IdempotencyKey(header: bad) == nil) }
    }

    @Test(
        "a timestamp is an exemplar's time within 10 minutes before its arrival, else the arrival is",
        arguments: [
            ("1750000000", 1_750_000_000_000), ("1749999999.9996", 1_750_000_000_000),
            ("1749999999.999", 1_749_999_999_999),
            ("1749999400", 1_749_999_400_000), ("1749999399.999", 1_750_000_000_000),
            ("1750000000.001", 1_750_000_000_000),
            ("0", 1_750_000_000_000), ("1e300", 1_750_000_000_000), ("1750000000000", 1_750_000_000_000),
            ("null", 1_750_000_000_000),
            // 1,750,000,000 is 2025-06-15T15:06:40Z.
            ("\"2025-06-15T15:06:40Z\"", 1_750_000_000_000), ("\"2025-06-15T15:06:39.5Z\"", 1_749_999_999_500),
            ("\"2025-06-15t15:06:39.123456789z\"", 1_749_999_999_123),
            ("\"2025-06-15T17:06:39+02:00\"", 1_749_999_999_000),
            ("\"2025-06-15T09:36:39-05:30\"", 1_749_999_999_000),
            ("\"2025-06-16T00:00:39+08:54\"", 1_749_999_999_000),
            ("\"1999-12-31T23:59:60Z\"", 1_750_000_000_000), ("\"2024-02-29T00:00:00Z\"", 1_750_000_000_000),
            ("\"0000-01-01T00:00:00Z\"", 1_750_000_000_000), ("\"9999-12-31T23:59:59Z\"", 1_750_000_000_000),
        ] as [(String, Int64)])
    func timestamps(value: String, milliseconds: Int64) throws {
        let batch = try decode(record(#""trace_id":"a","timestamp":"# + value))
        #expect(batch.onlyRecord?.trace?.unixMilliseconds == milliseconds, "\(batch.rejections)")
    }

    @Test(
        "what is no date of RFC 3339 is no timestamp",
        arguments: [
            "", "2025-06-15", "2025-06-15T15:06:40", "2025-06-15 15:06:40Z", "2025-6-15T15:06:40Z", "2025-06-15T15:06Z",
            "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-01-00T00:00:00Z", "2025-01-32T00:00:00Z",
            "2025-04-31T00:00:00Z", "1900-02-29T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z",
            "2025-01-01T00:00:61Z", "2025-01-01T12:00:60Z", "2025-01-01T00:00:00.Z", "2025-01-01T00:00:00+0100",
            "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00+01:60", "2025-01-01T00:00:00ZZ", "+2025-01-01T00:00:00Z",
            "2025-01-01T00:00:00 Z", "1750000000", "２025-01-01T00:00:00Z",
        ])
    func invalidTimestamps(text: String) throws {
        let rejection = try decode(record("\"timestamp\":\"\(text)\"")).onlyRejection
        #expect(rejection?.code == .invalidFormat)
        #expect(rejection?.field == "timestamp")
    }

    @Test("a leap second is the end of the second before it, in any time zone")
    func leapSeconds() throws {
        let arrival = Instant(unixMilliseconds: 1_483_228_805_000)
        for text in ["2016-12-31T23:59:60Z", "2017-01-01T00:59:60.9+01:00", "2016-12-31T15:59:60-08:00"] {
            let record = try decodeArriving(record("\"trace_id\":\"a\",\"timestamp\":\"\(text)\""), at: arrival)
                .onlyRecord
            #expect(record?.trace?.unixMilliseconds == 1_483_228_799_999)
        }
    }
}
