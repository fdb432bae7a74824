import Model
import Testing

@testable import Formats

/// One broken rule: the members added to a good record, and the field and code of the rejection.
struct Broken: Sendable, CustomTestStringConvertible {
    let members: String
    let field: String
    let code: RecordRejection.Code

    init(_ members: String, _ field: String, _ code: RecordRejection.Code) {
        self.members = members
        self.field = field
        self.code = code
    }

    var testDescription: String { "\(members.prefix(60)): \(field) \(code)" }
}

private let integerFields = [
    "input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
]
private let numberBounds = [
    ("cost_usd", "1000000"), ("latency_ms", "86400000"), ("api_latency_ms", "86400000"),
    ("memory_rss_mb", "1000000000"), ("memory_available_mb", "1000000000"),
]
private let nameFields = ["agent_name", "provider", "model"]

@Suite("Rules of the fields") struct FieldRuleTests {
    /// `{}` of the three names, with one of them replaced.
    private func named(_ field: String, _ value: String?) -> String {
        let members = nameFields.compactMap { name -> String? in
            if name != field { return "\"\(name)\":\"x\"" }
            return value.map { "\"\(name)\":\($0)" }
        }
        return "{\(members.joined(separator: ","))}"
    }

    @Test("the number of a field is its place in the key table, and its name stands there")
    func places() {
        let names = Field.keyTable.split(separator: "\n")
        #expect(names.count == Field.allCases.count)
        for (place, field) in Field.allCases.enumerated() {
            #expect(field.place == place)
            #expect(names[place] == field.name)
        }
    }

    @Test("a name obeys its rules", arguments: nameFields)
    func names(field: String) throws {
        let cases: [(String?, RecordRejection.Code?)] = [
            (nil, .missing), ("null", .missing), ("5", .wrongType), ("true", .wrongType), ("[]", .wrongType),
            ("{}", .wrongType), ("\"\"", .empty), ("\"   \"", .empty), ("\"_x\"", .reserved), ("\"  _x\"", .reserved),
            ("\"x_\"", nil), ("\" x \"", nil), ("\"a\\tb\"", .controlCharacter), ("\"a\\n\"", .controlCharacter),
            ("\"\\tx\"", .controlCharacter), ("\"a\\u0000b\"", .controlCharacter), ("\"\\u007f\"", .controlCharacter),
            ("\"\\u0085\"", .controlCharacter), ("\"\u{9F}\"", .controlCharacter), ("\"\u{A0}\"", nil),
            ("\"e\u{301} \u{1F600}\"", nil), ("\"a\\\"\\\\b\"", nil),
            ("\"" + String(repeating: "x", count: 256) + "\"", nil),
            ("\"  " + String(repeating: "x", count: 256) + " \"", nil),
            ("\"" + String(repeating: "x", count: 257) + "\"", .tooLong),
            ("\"" + String(repeating: "é", count: 129) + "\"", .tooLong),
        ]
        for (value, code) in cases {
            let batch = try decode(named(field, value))
            #expect(batch.onlyRejection?.code == code, "\(value ?? "absent")")
            #expect(batch.onlyRejection?.field == (code == nil ? nil : field))
            #expect((batch.onlyRecord == nil) == (code != nil))
        }
    }

    @Test("spaces around names are removed, all else of a name is kept byte for byte")
    func trimming() throws {
        let labels = try #require(
            try decode(
                #"{"agent_name":"  a  b ","provider":"e\u0301","model":"\ud83d\ude00\u00e9"}"#
            ).onlyRecord
        ).labels
        #expect(labels.agentName == LabelValue("a  b"))
        #expect(labels.provider == LabelValue("e\u{301}"))
        #expect(labels.model == LabelValue("😀é"))
    }

    @Test("token counts are whole numbers from 0 to 1e12", arguments: integerFields)
    func integers(field: String) throws {
        // Parts are within their whole.
        let whole = #""input_tokens":1000000000000,"output_tokens":1e12,"#
        let others = ["input_tokens", "output_tokens"].contains(field) ? "" : whole
        let cases: [(String, RecordRejection.Code?)] = [
            ("0", nil), ("-0", nil), ("-0.0", nil), ("5", nil), ("5.0", nil), ("1e3", nil), ("50e-1", nil),
            ("1000000000000", nil), ("1e12", nil), ("1000000000000.000", nil), ("1000000000001", .outOfRange),
            ("1e13", .outOfRange), ("99999999999999999999999999", .outOfRange), ("1e999999999", .outOfRange),
            ("-1", .outOfRange), ("-1e30", .outOfRange), ("5.5", .notInteger), ("1e-1", .notInteger),
            ("1e-400", .notInteger), ("\"5\"", .wrongType), ("true", .wrongType), ("[5]", .wrongType),
            ("{\"a\":5}", .wrongType), ("null", nil),
        ]
        for (value, code) in cases {
            let batch = try decode(record("\(others)\"\(field)\":\(value)"))
            #expect(batch.onlyRejection?.code == code, "\(value)")
            #expect(batch.onlyRejection?.field == (code == nil ? nil : field))
            #expect((batch.onlyRecord == nil) == (code != nil))
        }
    }

    @Test("other numbers are from 0 to their bound, and not a hair beyond", arguments: numberBounds)
    func numbers(field: String, bound: String) throws {
        let cases: [(String, RecordRejection.Code?)] = [
            ("0", nil), ("-0", nil), ("-0.0e5", nil), ("0.5", nil), ("1e-400", nil), (bound, nil), ("\(bound).0", nil),
            ("\(bound)e0", nil), ("\(bound)0e-1", nil), ("\(bound).0000000000001", .outOfRange),
            ("\(bound)1", .outOfRange), ("1e400", .outOfRange), ("-1", .outOfRange), ("-1e-400", .outOfRange),
            ("-0.0001", .outOfRange), ("\"1\"", .wrongType), ("false", .wrongType), ("{}", .wrongType), ("null", nil),
        ]
        for (value, code) in cases {
            let batch = try decode(record("\"\(field)\":\(value)"))
            #expect(batch.onlyRejection?.code == code, "\(value)")
            #expect(batch.onlyRejection?.field == (code == nil ? nil : field))
            #expect((batch.onlyRecord == nil) == (code != nil))
        }
    }

    @Test(
        "each rule of the other fields has its code",
        arguments: [
            Broken(#""status":"""#, "status", .invalidFormat),
            Broken(#""status":"Error""#, "status", .invalidFormat),
            Broken(#""status":"1a""#, "status", .invalidFormat),
            Broken(#""status":"_a""#, "status", .invalidFormat),
            Broken(#""status":"a-b""#, "status", .invalidFormat),
            Broken(#""status":" error""#, "status", .invalidFormat),
            Broken(#""status":"a23456789012345678901234567890123""#, "status", .invalidFormat),
            Broken(#""status":5"#, "status", .wrongType),
            Broken(#""id":"""#, "id", .empty),
            Broken(#""id":""# + String(repeating: "x", count: 257) + #"""#, "id", .tooLong),
            Broken(#""id":5"#, "id", .wrongType),
            Broken(#""event":"begin""#, "event", .invalidFormat),
            Broken(#""event":"""#, "event", .invalidFormat),
            Broken(#""event":true"#, "event", .wrongType),
            Broken(#""event":"start""#, "id", .missing),
            Broken(#""event":"start","id":null"#, "id", .missing),
            Broken(#""timestamp":"yesterday""#, "timestamp", .invalidFormat),
            Broken(#""timestamp":"2025-02-29T00:00:00Z""#, "timestamp", .invalidFormat),
            Broken(#""timestamp":-1"#, "timestamp", .outOfRange),
            Broken(#""timestamp":[]"#, "timestamp", .wrongType),
            Broken(#""trace_id":"""#, "trace_id", .invalidFormat),
            Broken(#""trace_id":"xyz""#, "trace_id", .invalidFormat),
            Broken(#""trace_id":""# + String(repeating: "a", count: 65) + #"""#, "trace_id", .invalidFormat),
            Broken(#""trace_id":7"#, "trace_id", .wrongType),
            Broken(#""status":"error","error_type":"""#, "error_type", .invalidFormat),
            Broken(#""status":"error","error_type":".a""#, "error_type", .invalidFormat),
            Broken(#""status":"error","error_type":"a b""#, "error_type", .invalidFormat),
            Broken(#""status":"error","error_type":"é""#, "error_type", .invalidFormat),
            Broken(
                #""status":"error","error_type":""# + String(repeating: "a", count: 65) + #"""#, "error_type",
                .invalidFormat),
            Broken(#""status":"error","error_type":5"#, "error_type", .wrongType),
            Broken(#""input_tokens":5,"cache_read_tokens":6"#, "cache_read_tokens", .inconsistent),
            Broken(
                #""input_tokens":5,"cache_read_tokens":3,"cache_write_tokens":3"#, "cache_write_tokens", .inconsistent),
            Broken(#""output_tokens":5,"reasoning_tokens":6"#, "reasoning_tokens", .inconsistent),
            Broken(#""cache_read_tokens":1"#, "cache_read_tokens", .inconsistent),
            Broken(#""cache_write_tokens":1"#, "cache_write_tokens", .inconsistent),
            Broken(#""input_tokens":9,"total_tokens":9,"reasoning_tokens":1"#, "reasoning_tokens", .inconsistent),
            Broken(#""model":"m""#, "model", .duplicateKey),
            Broken(#""m\u006fdel":"m""#, "model", .duplicateKey),
            Broken(#""latency_ms":1,"latency_ms":1"#, "latency_ms", .duplicateKey),
            Broken(#""latency_ms":null,"latency_ms":null"#, "latency_ms", .duplicateKey),
            Broken(#""error_type":"a","error_type":"b""#, "error_type", .duplicateKey),
        ])
    func codes(broken: Broken) throws {
        let rejection = try #require(try decode(record(broken.members)).onlyRejection)
        #expect(rejection.code == broken.code)
        #expect(rejection.field == broken.field)
        #expect(rejection.message.contains(broken.field))
        #expect(rejection.message.utf8.count < 250)
    }

    @Test(
        "what the rules allow is taken",
        arguments: [
            #""status":"a2345678901234567890123456789012""#, #""status":"rate_limited""#, #""status":null"#,
            #""id":"\t\u0000é""#, #""id":""# + String(repeating: "x", count: 256) + #"""#, #""event":"end""#,
            #""event":null"#, #""timestamp":0"#, #""timestamp":1e300"#, #""timestamp":1750000000.25"#,
            #""trace_id":"0aF""#, #""status":"error","error_type":"_9.:-Z""#, #""status":"error","error_type":null"#,
            #""input_tokens":5,"cache_read_tokens":2,"cache_write_tokens":3"#,
            #""output_tokens":5,"reasoning_tokens":5"#, #""cache_read_tokens":0,"reasoning_tokens":0"#,
            #""total_tokens":1"#,
        ])
    func allowed(members: String) throws {
        #expect(try decode(record(members)).onlyRecord != nil)
    }

    @Test("of several errors the first in the order of the contract's table is reported, but event comes first")
    func order() throws {
        var members = [
            (#""trace_id":"x""#, "trace_id"), (#""timestamp":"x""#, "timestamp"),
            (#""id":"""#, "id"), (#""memory_available_mb":-1"#, "memory_available_mb"),
            (#""memory_rss_mb":-1"#, "memory_rss_mb"), (#""api_latency_ms":-1"#, "api_latency_ms"),
            (#""latency_ms":-1"#, "latency_ms"), (#""cost_usd":-1"#, "cost_usd"),
            (#""reasoning_tokens":-1"#, "reasoning_tokens"), (#""cache_write_tokens":-1"#, "cache_write_tokens"),
            (#""cache_read_tokens":-1"#, "cache_read_tokens"), (#""total_tokens":-1"#, "total_tokens"),
            (#""output_tokens":-1"#, "output_tokens"), (#""input_tokens":-1"#, "input_tokens"),
            (#""status":"""#, "status"), (#""event":"x""#, "event"),
        ]
        while let last = members.last {
            let body = record(members.map(\.0).joined(separator: ","))
            #expect(try decode(body).onlyRejection?.field == last.1)
            members.removeLast()
        }
        #expect(try decode(#"{"status":5}"#).onlyRejection?.field == "agent_name")
        #expect(try decode("{}").onlyRejection?.message.hasPrefix("agent_name, provider, model are missing") == true)
        #expect(try decode(#"{"event":"start"}"#).onlyRejection?.message.hasPrefix("agent_name is missing") == true)
        #expect(try decode(#"{"agent_name":"a","model":5}"#).onlyRejection?.field == "provider")
        #expect(try decode(#"{"agent_name":"a","provider":"p","event":5}"#).onlyRejection?.field == "event")
    }

    @Test("numbers are exact, in micros and picos, half to even")
    func exactness() throws {
        let record = try #require(
            try decode(
                record(
                    #""cost_usd":0.0000691,"latency_ms":2000.0005,"api_latency_ms":0.0015,"memory_rss_mb":256.1"#)
            ).onlyRecord)
        #expect(record.cost == Money(picoUSD: 69_100_000))
        #expect(record.latencyMicroseconds == 2_000_000)
        #expect(record.apiLatencyMicroseconds == 2)
        #expect(record.memoryRSSMegabytes == 256.1)
        let costs: [(String, Int128)] = [
            ("0.0000000000005", 0), ("0.0000000000015", 2), ("0.00000000000050000000000000000000000000000001", 1),
            ("1e6", 1_000_000_000_000_000_000), ("123456.789012345678", 123_456_789_012_345_678),
            ("2.5E-3", 2_500_000_000),
        ]
        for (text, pico) in costs {
            #expect(
                try decode(FormatsTests.record("\"cost_usd\":\(text)")).onlyRecord?.cost?.picoUSD == pico, "\(text)")
        }
        let memory = try #require(try decode(FormatsTests.record(#""memory_available_mb":-0.0"#)).onlyRecord)
        #expect(memory.memoryAvailableMegabytes?.sign == .plus)
        #expect(memory.memoryAvailableMegabytes == 0)
        #expect(memory.memoryRSSMegabytes == nil)
    }

    @Test("a record carries all that was sent")
    func wholeRecord() throws {
        let record = try #require(
            try decode(
                record(
                    #""status":"timeout","input_tokens":10,"output_tokens":20,"total_tokens":31,"cache_read_tokens":1,"#
                        + #""cache_write_tokens":2,"reasoning_tokens":3,"latency_ms":1,"#
                        + #""api_latency_ms":0.5,"error_type":"t","#
                        + #""memory_rss_mb":1.5,"memory_available_mb":2,"id":"i","trace_id":"aB","#
                        + #""timestamp":1749999990.5"#
                )
            ).onlyRecord)
        #expect(record.status == LabelValue("timeout"))
        #expect(record.errorType == LabelValue("t"))
        #expect(
            record.usage
                == Usage(input: 10, output: 20, total: 31, cacheRead: 1, cacheWrite: 2, reasoning: 3))
        #expect(record.cost == nil)
        #expect(record.latencyMicroseconds == 1000)
        #expect(record.apiLatencyMicroseconds == 500)
        #expect(record.memoryRSSMegabytes == 1.5)
        #expect(record.memoryAvailableMegabytes == 2)
        #expect(record.id != nil)
        #expect(record.trace == Trace(id: "aB", unixMilliseconds: 1_749_999_990_500))
    }

    @Test("an error without a type is unknown, a success has none and its type is warned of")
    func errorTypes() throws {
        #expect(try decode(record(#""status":"error""#)).onlyRecord?.errorType == LabelValue("unknown"))
        for ignored in [#""x""#, "5", #""""#, "[[]]"] {
            let batch = try decode(record("\"error_type\":\(ignored)"))
            #expect(batch.onlyRecord != nil)
            #expect(batch.onlyRecord?.errorType == nil)
            #expect(batch.warnings.count == 1)
            #expect(batch.warnings.first?.contains("error_type") == true)
        }
        #expect(try decode(record(#""error_type":null"#)).warnings.isEmpty)
        #expect(try decode(record(#""status":"success","error_type":"a""#)).warnings.count == 1)
    }

    @Test("a start needs agent_name and id only, and what else it has is checked")
    func starts() throws {
        let batch = try decode(#"{"event":"start","id":"1","agent_name":" a "}"#)
        guard case .start(let start) = batch.events.first?.event else {
            Issue.record("no start")
            return
        }
        #expect(start.agentName == LabelValue("a"))
        #expect(try decode(#"{"event":"start","agent_name":"a"}"#, key: "k").events.count == 1)
        let broken = [
            (#"{"event":"start","id":"1"}"#, "agent_name"),
            (#"{"event":"start","id":"1","agent_name":"a","model":5}"#, "model"),
            (#"{"event":"start","id":"1","agent_name":"a","provider":"_"}"#, "provider"),
            (#"{"event":"start","id":"1","agent_name":"a","cost_usd":-1}"#, "cost_usd"),
        ]
        for (body, field) in broken { #expect(try decode(body).onlyRejection?.field == field) }
        // The end of the same call is found by the same digest.
        let end = try decode(#"{"event":"end","id":"1","agent_name":"a","provider":"p","model":"m"}"#).onlyRecord
        #expect(end?.id?.call == start.id.call)
    }

    @Test("messages show what was seen, clipped and without control characters")
    func messages() throws {
        let long = "\\u001b[31m" + String(repeating: "é", count: 400)
        let message = try #require(try decode(record("\"status\":\"\(long)\"")).onlyRejection).message
        #expect(message.utf8.count < 200)
        #expect(message.hasPrefix(#"status is "\u001b[31mééé"#))
        #expect(message.contains("…"))
        #expect(message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F })
        let number = try #require(try decode(record(#""latency_ms":-5"#)).onlyRejection)
        #expect(number.message == "latency_ms is -5; send a number from 0 to 86400000")
    }
}
