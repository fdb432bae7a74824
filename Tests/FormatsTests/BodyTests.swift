import Formats
import Model
import Testing

@Suite("Forms of a body") struct BodyTests {
    @Test(
        "the media type decides the form",
        arguments: [
            (nil, BodyFormat.json), ("", .json), ("application/json", .json), ("APPLICATION/Json", .json),
            ("application/json; charset=utf-8", .json), ("application/json;charset=latin1;x=y", .json),
            (" application/json ; a=b", .json), ("application/vnd.calls+json", .json),
            ("application/x-ndjson", .ndjson),
            ("application/jsonl; charset=utf-8", .ndjson), ("application/X-NDJSON", .ndjson),
            ("text/plain", nil), ("application/x-www-form-urlencoded", nil), ("application/jsonx", nil),
            ("application/+json", nil), ("text/json", nil), ("application/json x", nil), ("json", nil),
            ("application/xml+json2", nil),
        ] as [(String?, BodyFormat?)])
    func mediaTypes(header: String?, format: BodyFormat?) {
        #expect(BodyFormat(contentType: header) == format)
    }

    @Test("one object, an array, and lines give the same records")
    func forms() throws {
        let first = record(#""id":"1","latency_ms":5"#)
        let second = record(#""id":"2","latency_ms":6"#)
        let bodies: [(String, BodyFormat)] = [
            ("[\(first),\(second)]", .json), (" [ \(first) , \r\n\t\(second) ] \n", .json),
            ("\(first)\n\(second)", .ndjson), ("\n\n  \(first)\r\n \t\r\n\(second)\r\n\n", .ndjson),
            ("\(first)\n\(second)\n", .json), ("\n\(first)\n\n\(second)", .json), ("\(first)\n  \(second)  ", .json),
        ]
        for (body, format) in bodies {
            let batch = try decode(body, format)
            #expect(batch.rejections.isEmpty)
            #expect(batch.events.map(\.index) == [0, 1])
            let latencies = batch.events.map { event -> Int64? in
                if case .end(let record) = event.event { record.latencyMicroseconds } else { nil }
            }
            #expect(latencies == [5000, 6000])
        }
        #expect(try decode(first).onlyRecord?.latencyMicroseconds == 5000)
        #expect(try decode(first, .ndjson).onlyRecord?.latencyMicroseconds == 5000)
        let spread = first.replacing(",", with: ",\n").replacing("{", with: "{\n")
        #expect(try decode(spread).onlyRecord?.latencyMicroseconds == 5000)
        #expect(try decode("[\n\(spread)\n]").onlyRecord?.latencyMicroseconds == 5000)
    }

    @Test("[] and blank lines hold no records")
    func emptyBatches() throws {
        for (body, format) in [("[]", BodyFormat.json), (" [ \n ] ", .json), ("\n", .ndjson), (" \r\n\t\n ", .ndjson)] {
            let batch = try decode(body, format)
            #expect(batch.events.isEmpty)
            #expect(batch.rejections.isEmpty)
        }
    }

    @Test(
        "a body that is not JSON, or JSON of another shape, is refused whole, with the place and the remedy",
        arguments: [
            ("", BodyFormat.json, "empty"), ("", .ndjson, "empty"), (" \n ", .json, "white space"),
            ("\u{FEFF}{}", .json, "byte order mark"), ("\u{FEFF}{}", .ndjson, "byte order mark"),
            ("5", .json, "neither"), ("\"x\"", .json, "neither"), ("null", .json, "neither"),
            ("true ", .json, "neither"),
            ("hello", .json, "not JSON"), ("{", .json, "not JSON"), ("}", .json, "not JSON"), ("[", .json, "not JSON"),
            ("[{}", .json, "not JSON"), ("[{}]]", .json, "not JSON"), ("{}}", .json, "not JSON"),
            ("{}{}", .json, "not JSON"),
            ("{} x", .json, "not JSON"), ("[{},]", .json, "element 1"), ("[{}{}]", .json, "element"),
            ("[1,2", .json, "not JSON"), ("[{\"a\":1},{\"a\":01}]", .json, "element 1"), ("[nul]", .json, "element 0"),
            ("{\"a\":NaN}", .json, "byte 5"), ("{\"a\":-Infinity}", .json, "number at byte 5"),
            ("{\"a\":1,}", .json, "not JSON"),
            ("{\"a\"}", .json, "not JSON"), ("{a:1}", .json, "not JSON"), ("{'a':1}", .json, "not JSON"),
            ("{\"a\":\"b}", .json, "opened at byte 5"),
            ("{\"a\":\"\u{1}\"}", .json, "control character in a string that must be escaped at byte 6"),
            ("{\"a\":\"\\x\"}", .json, "escape in the string at byte 5"), ("{\"\\u12\":1}", .json, "escape"),
            ("{\"a\":\"\\ud80\"}", .json, "escape"), ("{\"a\":[\"\\u00g0\"]}", .json, "escape"),
            ("{\"a\":[1,2}", .json, "not JSON"), ("{\"x\":\"a\":1}}", .json, "not JSON"),
            ("{\"x\":\"k\":nonsense 01 }}", .json, "not JSON"), ("[{\"x\":\"k\":[1],\"y\":2}}]", .json, "not JSON"),
            ("{\"id\":\"a\",\"id\":\"k\":1}}", .json, "not JSON"), ("{\"x\":\"x\":]", .json, "not JSON"),
            ("{\"x\":[\"a\":1]}", .json, "not JSON"), ("[\"a\":1]", .json, "not JSON"),
            ("{\"a\":[1 2]}", .json, "not JSON"),
            ("{\"a\":{\"b\":tru}}", .json, "not JSON"), ("{\"a\":\"b\":1}", .json, "not JSON"),
            ("{\"a\":1 2}", .json, "not JSON"),
            ("{\"a\":\"x\"y}", .json, "not JSON"), ("[1]\n[2]", .json, "not JSON"), ("5 6", .json, "not JSON"),
            ("{\"a\":{\"b\":1}", .json, "not closed"), ("\"a\" \"b\"", .json, "not JSON"),
        ] as [(String, BodyFormat, String)])
    func malformed(body: String, format: BodyFormat, detail: String) {
        let error = #expect(throws: MalformedBody.self) { try decode(body, format) }
        #expect(error?.detail.contains(detail) == true, "\(error?.detail ?? "")")
        #expect(error?.detail.contains("send ") == true)
    }

    @Test("bytes that are not UTF-8 are refused with their place, wherever they stand")
    func encoding() throws {
        let invalid: [[UInt8]] = [
            [0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0x80],
        ]
        for bytes in invalid {
            let body = Array("{\"a\":\"é".utf8) + bytes + Array("\"}".utf8)
            let error = #expect(throws: MalformedBody.self) { try decode(body) }
            #expect(error?.detail.contains("not UTF-8 at byte 8") == true, "\(error?.detail ?? "")")
            #expect(throws: MalformedBody.self) { try decode([0x7B, 0x22] + bytes + Array("\":1}".utf8)) }
            let lines = Array((record() + "\n").utf8) + body + Array(("\n" + record()).utf8)
            let batch = try decode(lines, .ndjson)
            #expect(batch.events.map(\.index) == [0, 2])
            #expect(batch.rejections.listed.map(\.rejection.code) == [.malformedJSON])
        }
    }

    @Test("a value that nobody reads may be nested to any depth, and is still checked to its end")
    func depth() throws {
        func nested(_ levels: Int, _ open: String, _ close: String, _ middle: String = "1") -> String {
            String(repeating: open, count: levels) + middle + String(repeating: close, count: levels)
        }
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[ {\"a\" : ", " } ]")] {
            for levels in [63, 64, 70, 100_000] {
                let batch = try decode("[\(record()),\(record("\"x\":" + nested(levels, open, close)))]")
                #expect(batch.events.count == 2)
                #expect(batch.warnings == [#"unknown field "x" ignored (first in record 1)"#])
                for middle in ["nul", "01", "1 2", "\"\\x\"", "1]", "[", ","] {
                    let broken = record("\"x\":" + nested(levels, open, close, middle))
                    #expect(throws: MalformedBody.self) { try decode(broken) }
                }
            }
            // A field that is read is at fault, and its record alone.
            let deep = try decode("[\(record()),\(record("\"id\":" + nested(100, open, close)))]")
            #expect(deep.events.count == 1)
            #expect(deep.rejections.listed.map(\.rejection.code) == [.wrongType])
            // Elements of the outer array are no records, however deep they are.
            let elements = try decode("[\(nested(100, open, close)),\(record())]")
            #expect(elements.events.count == 1)
        }
    }

    @Test("half of a surrogate pair costs no record if nobody reads it, and else that record alone")
    func loneSurrogates() throws {
        for half in [#"cut \ud83d"#, #"\ude00"#, #"\ud83d\u0041"#, #"\ude00\ud83d x"#, #"\"\ud83d\""#] {
            for member in [
                "\"error_message\":\"\(half)\"", "\"x\":[{\"y\":[\"\(half)\"]}]", "\"x\":{\"\(half)\":1}",
                "\"\(half)\":1",
            ] {
                let batch = try decode("[\(record()),\(record(member))]")
                #expect(batch.events.count == 2, "\(member)")
                #expect(batch.warnings.count == 1, "\(member)")
                #expect(batch.unknownFields == 1, "\(member)")
            }
            let read = try decode("[\(record()),\(record("\"id\":\"\(half)\"")),\"\(half)\"]")
            #expect(read.events.count == 1)
            #expect(read.rejections.listed.map(\.rejection.code) == [.invalidFormat, .notAnObject])
            #expect(read.rejections.listed.first?.rejection.field == "id")
            #expect(read.rejections.listed.first?.rejection.message.contains("surrogate") == true)
            // Neither is the second value of a key read that stands twice.
            let twice = try decode("[\(record()),\(record("\"id\":\"a\",\"id\":\"\(half)\""))]")
            #expect(twice.rejections.listed.map(\.rejection.code) == [.duplicateKey])
        }
        #expect(throws: MalformedBody.self) { try decode(#""\ud83d""#) }
    }

    @Test(
        "text behind the value is named as such, with its place",
        arguments: [
            ("{\"a\":1} x", 8), ("{\"a\":1}{\"a\":2}", 7), ("{\"a\":\"}\"}]", 9), ("null x", 5), ("[{}] ,", 5),
            ("\"a\" \"b\"", 4), ("[1]\n[2]", 4), ("{\"a\":[1]} {", 10),
        ])
    func trailingText(body: String, place: Int) {
        let error = #expect(throws: MalformedBody.self) { try decode(body) }
        #expect(
            error?.detail.contains("something follows the end of the value at byte \(place)") == true,
            "\(error?.detail ?? "")")
    }

    @Test("each record of an array stands alone, by its index")
    func arrays() throws {
        let batch = try decode("[\(record()),5,null,[1,{}],\"x\",\(record(#""latency_ms":-1"#)),{},\(record())]")
        #expect(batch.events.map(\.index) == [0, 7])
        #expect(batch.rejections.listed.map(\.index) == [1, 2, 3, 4, 5, 6])
        #expect(
            batch.rejections.listed.map(\.rejection.code)
                == [.notAnObject, .notAnObject, .notAnObject, .notAnObject, .outOfRange, .missing])
    }

    @Test("a broken line costs that line alone, even with an unclosed quote, and its number is reported")
    func brokenLines() throws {
        let good = record()
        let batch = try decode(
            "\(good)\n\n{\"agent_name\":\"x\n\(good)\n\(good)}\nhello\n[\(good)]\n[\n42\n"
                + "\(record(#""cost_usd":-1"#))\n\(good)",
            .ndjson)
        #expect(batch.events.map(\.index) == [0, 2, 9])
        #expect(batch.rejections.listed.map(\.index) == [1, 3, 4, 5, 6, 7, 8])
        let codes = batch.rejections.listed.map(\.rejection.code)
        #expect(
            codes == [
                .malformedJSON, .malformedJSON, .malformedJSON, .notAnObject, .malformedJSON, .notAnObject, .outOfRange,
            ])
        let lines = batch.rejections.listed.map {
            $0.rejection.message.split(separator: " ").suffix(2).joined(separator: " ")
        }
        #expect(lines == ["(line 3)", "(line 5)", "(line 6)", "(line 7)", "(line 8)", "(line 9)", "(line 10)"])
    }

    @Test("a broken first line does not hide that the body is lines")
    func mislabelledLines() throws {
        let good = record()
        let batch = try decode("{\"agent_name\":\n\(good)\n\(good)")
        #expect(batch.events.map(\.index) == [1, 2])
        #expect(batch.rejections.listed.map(\.rejection.code) == [.malformedJSON])
        #expect(try decode("\(good)\nhello").rejections.listed.map(\.rejection.code) == [.malformedJSON])
        #expect(try decode("\(good)\n[1]\n\(good)").rejections.listed.map(\.rejection.code) == [.notAnObject])
        #expect(try decode("\(good)\n\n \n").onlyRecord != nil)
    }

    @Test("unknown fields are counted each time and named once")
    func unknownFields() throws {
        let batch = try decode(
            "[\(record()),\(record(#""foo":1,"Foo":[{"id":1,"id":2}],"f\u006fo":2"#)),\(record(#""foo":{}"#))]")
        #expect(batch.unknownFields == 4)
        #expect(
            batch.warnings == [
                #"unknown field "foo" ignored (first in record 1)"#,
                #"unknown field "Foo" ignored (first in record 1)"#,
            ])
        // A misspelt field explains a rejection too.
        let rejected = try decode(#"{"agentname":"a","":1,"a\u0007b\u202e":1}"#)
        #expect(rejected.onlyRejection?.field == "agent_name")
        #expect(rejected.unknownFields == 3)
        #expect(rejected.warnings[2] == #"unknown field "a\u0007b\u202e" ignored (first in record 0)"#)
    }

    @Test("many unknown fields give few warnings, long ones are clipped")
    func boundedWarnings() throws {
        let members = (0..<1000).map { "\"u\($0)\":0" }.joined(separator: ",")
        let batch = try decode(record(members))
        #expect(batch.unknownFields == 1000)
        #expect(batch.warnings.count == 21)
        #expect(batch.warnings.last == "and 980 more fields that are unknown")
        let long = String(repeating: "n", count: 100_000)
        let clipped = try decode(record("\"\(long)a\":1,\"\(long)b\":1"))
        #expect(clipped.unknownFields == 2)
        #expect(clipped.warnings.count == 1)
        #expect(clipped.warnings[0].utf8.count < 120)
    }

    @Test("names and keys come out whole at each length, with an escape at each place", arguments: 1...33)
    func lengths(length: Int) throws {
        let name = String(repeating: "n", count: length)
        #expect(
            try decode(#"{"agent_name":"\#(name)","provider":"p","model":"m"}"#).onlyRecord?.labels.agentName.text
                == name)
        for place in 0...length {
            let before = name.prefix(place)
            let after = name.dropFirst(place)
            let body = #"{"agent_name":"\#(before)\"\#(after)","provider":"p","model":"m","\#(before)\\\#(after)":1}"#
            let batch = try decode(body)
            #expect(batch.onlyRecord?.labels.agentName.text == "\(before)\"\(after)")
            #expect(batch.warnings == [#"unknown field "\#(before)\\#(after)" ignored (first in record 0)"#])
        }
    }
}
