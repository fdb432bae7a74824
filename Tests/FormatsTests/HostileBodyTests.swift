import Formats
import Foundation
import Model
import Testing

@Suite("Hostile bodies") struct HostileBodyTests {
    private static let seeds = [
        "[" + record(#""id":"a","latency_ms":12.5,"cost_usd":0.00027,"foo":[1,{"b":"\u00e9\\\""},null,true]"#) + ","
            + record(#""status":"error","error_type":"x","timestamp":"2025-06-15T15:06:39Z","trace_id":"ab12""#) + "]",
        record(#""id":"a","input_tokens":100,"output_tokens":436,"cache_read_tokens":1,"memory_rss_mb":256.5"#) + "\n"
            + record(#""event":"start","id":"b\ud83d\ude00","api_latency_ms":1e2"#) + "\r\n\n" + record() + "\n",
        record(#""agent":{"a":{"b":[[[]]],"c":"d"}},"total_tokens":1e3,"memory_available_mb":-0.0"#),
    ]
    private static let insertions: [[UInt8]] = [
        Array("{".utf8), Array("}".utf8), Array("[".utf8), Array("]".utf8), Array("\"".utf8), Array("\\".utf8),
        Array(",".utf8), Array(":".utf8), Array("\n".utf8), Array("-".utf8), Array("1e9".utf8), Array("\\ud800".utf8),
        Array("null".utf8), [0x00], [0xFF], [0xC2, 0x85], [0xED, 0xA0, 0x80], Array("\"id\":\"a\",".utf8),
    ]

    @Test("no mutation of a body crashes the decoder or changes what the next one gives", arguments: 0..<8)
    func mutations(seed: Int) throws {
        var numbers = SeededNumbers(seed: seed)
        var taken = 0
        var refused = 0
        for round in 0..<2_000 {
            var body = Array(Self.seeds[round % Self.seeds.count].utf8)
            for _ in 0..<Int.random(in: 1...4, using: &numbers) {
                let place = Int.random(in: 0...body.count, using: &numbers)
                switch Int.random(in: 0..<5, using: &numbers) {
                case 0: body.removeSubrange(place..<min(body.count, place + Int.random(in: 1...9, using: &numbers)))
                case 1:
                    body.replaceSubrange(
                        place..<min(body.count, place + 1), with: [UInt8.random(in: 0...255, using: &numbers)])
                case 2: body.insert(contentsOf: Self.insertions.randomElement(using: &numbers) ?? [], at: place)
                case 3: body.removeLast(min(body.count, Int.random(in: 0...40, using: &numbers)))
                default:
                    let end = min(body.count, place + Int.random(in: 1...30, using: &numbers))
                    body.insert(contentsOf: body[place..<end], at: Int.random(in: 0...body.count, using: &numbers))
                }
            }
            for format in [BodyFormat.json, .ndjson] {
                do {
                    let batch = try decode(body, format, key: round % 2 == 0 ? "k" : nil)
                    taken += batch.events.count
                    for rejection in batch.rejections.listed {
                        #expect(rejection.rejection.message.utf8.count < 400)
                        #expect(rejection.rejection.message.unicodeScalars.allSatisfy { $0.value >= 0x20 })
                    }
                } catch {
                    refused += 1
                    #expect(error.detail.utf8.count < 400)
                }
            }
        }
        // The mutations are neither all harmless nor all fatal.
        #expect(taken > 500)
        #expect(refused > 500)
        #expect(try decode(record()).onlyRecord != nil)
    }

    @Test("a value that nobody reads is JSON exactly if another parser says so", arguments: 0..<4)
    func differential(seed: Int) throws {
        let tokens = [
            "{", "}", "[", "]", ":", ",", #""a""#, #""b":1"#, "1", "-0.5", "01", "true", "nul", "null", " ",
            #""\\u00e9""#,
            #""k":"v""#, "{}", "[]",
        ]
        var numbers = SeededNumbers(seed: seed)
        var sound = 0
        for _ in 0..<4_000 {
            let value = (0..<Int.random(in: 1...9, using: &numbers)).map { _ in
                tokens.randomElement(using: &numbers) ?? ""
            }.joined()
            let body = "[\(record()),\(record("\"x\":" + value)),\(record("\"id\":\"i\",\"id\":" + value))]"
            // Foundation takes a comma before a closing bracket.
            let isJSON =
                body.firstMatch(of: #/,\s*[}\]]/#) == nil
                && (try? JSONSerialization.jsonObject(with: Data(body.utf8))) != nil
            sound += isJSON ? 1 : 0
            #expect(((try? decode(body)) != nil) == isJSON, "\(value)")
        }
        #expect(sound > 100)
    }

    @Test("each beginning of a body is refused or taken, never more than the whole has")
    func truncations() throws {
        for seed in Self.seeds {
            let body = Array(seed.utf8)
            for length in 0..<body.count {
                for format in [BodyFormat.json, .ndjson] {
                    let events = (try? decode(Array(body[..<length]), format))?.events.count ?? 0
                    #expect(events <= 3)
                }
                if seed.hasPrefix("[") {
                    #expect(throws: MalformedBody.self) { try decode(Array(body[..<length])) }
                }
            }
        }
    }

    @Test("bytes after a body do not complete it", arguments: ["}", "]", "}}", "]}", "\"}", "1}", ",", " "])
    func bytesBehind(tail: String) {
        for body in [
            #"{"a":{"b":1}"#, #"[{"a":1}"#, #"[{"a":[1]"#, #"{"a":[[1]]"#, #"{"a":"b"#, #"[[{}]"#, "{\"a\":1", "[1",
            "tru",
        ] {
            #expect(throws: MalformedBody.self) { try decodeBeforeTail(body, tail: tail) }
        }
    }

    @Test("a number and a literal end with their body")
    func scalarsAtTheEnd() throws {
        for body in ["1", "true", "\"a\""] {
            let error = #expect(throws: MalformedBody.self) { try decodeBeforeTail(body, tail: "2") }
            #expect(error?.detail.contains("neither") == true)
        }
    }

    @Test(
        "millions of bad records are counted, and a hundred are listed", arguments: ["{}", "5", #"{"agent_name":5}"#])
    func badRecords(record: String) throws {
        let batch = try decode("[" + String(repeating: record + ",", count: 199_999) + record + "]")
        #expect(batch.events.isEmpty)
        #expect(batch.rejections.count == 200_000)
        #expect(batch.rejections.listed.map(\.index) == Array(0..<100))
    }

    @Test(
        "a long body of one kind of byte ends",
        arguments: ["[", "{", "\"", "\\", "1", " ", "\n", ",", "{}\n", "[]\n", "é"])
    func monotonous(unit: String) {
        let body = Array(String(repeating: unit, count: 200_000).utf8)
        for format in [BodyFormat.json, .ndjson] { _ = try? decode(body, format) }
    }
}
