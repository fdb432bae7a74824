import Bodies
import Formats
import Model
import Testing

@Suite("Parts of a body") struct PartTests {
    /// The content of a batch, in texts that can be compared.
    private struct Content: Equatable {
        var events: [String] = []
        var rejections = RejectedRecords()
        var warnings: [String] = []
        var unknownFields = 0
        var ignoredItems: [LiteLLMNonCall: Int] = [:]

        mutating func add(_ part: DecodedBatch) {
            events += part.events.map { index, event in
                guard case .end(let record) = event else { return "\(index): a start" }
                return "\(index): \(record.labels.model.text) \(record.usage.output ?? -1) \(record.usage.input ?? -1)"
            }
            rejections = rejections.merging(part.rejections)
            warnings = part.warnings
            unknownFields += part.unknownFields
            ignoredItems.merge(part.ignoredItems, uniquingKeysWith: +)
        }

        static func == (left: Content, right: Content) -> Bool {
            left.events == right.events && left.rejections.counts == right.rejections.counts
                && left.rejections.listed.map { "\($0)" } == right.rejections.listed.map { "\($0)" }
                && left.warnings == right.warnings && left.unknownFields == right.unknownFields
                && left.ignoredItems == right.ignoredItems
        }
    }

    private func whole(_ body: String, _ format: any Format) throws -> Content {
        var content = Content()
        content.add(try format.decode(PaddedBytes(Array(body.utf8)), arrival: arrival))
        return content
    }

    /// - Returns: the content, and the number of events in each part.
    private func inParts(_ body: String, _ format: any Format, of limit: Int) throws -> (Content, sizes: [Int]) {
        var content = Content()
        let (first, rest) = try format.decode(PaddedBytes(Array(body.utf8)), arrival: arrival, elementLimit: limit)
        content.add(first)
        var sizes = [first.events.count]
        while let rest, !rest.isAtEnd {
            let part = try rest.next(elementLimit: limit)
            content.add(part)
            sizes.append(part.events.count)
        }
        return (content, sizes)
    }

    private static let json = RecordsFormat(.json, idempotencyKey: nil, decoders: RecordDecoders())
    private static let ndjson = RecordsFormat(
        .ndjson, idempotencyKey: IdempotencyKey(header: "key"), decoders: RecordDecoders())
    private static let liteLLM = LiteLLMFormat(agentName: "Agent")

    /// Records, with one of each kind of fault now and then.
    private static func elements(_ count: Int, isLines: Bool) -> [String] {
        (0..<count).map { number in
            switch number % 997 {
            case 3: record(#""latency_ms":-1"#)
            case 500: "17"
            case 501: isLines ? #"{"agent_name":"cut"# : "[{}]"
            case 700: record(#""field\#(number)":{"a":[1,2,{"b":"],["}]}"#)
            case 900: "null"
            default: record(#""id":"\#(number)","output_tokens":\#(number)"#)
            }
        }
    }

    private static func items(_ count: Int) -> [String] {
        (0..<count).map { number in
            switch number % 701 {
            case 5: "null"
            case 6: #"{"standard_logging_payload":null}"#
            case 7: #"{"call_type":"create_file","model":"m","id":"f\#(number)"}"#
            case 8: "{}"
            default:
                #"{"id":"\#(number)","model":"m","custom_llm_provider":"p","status":"success","prompt_tokens":\#(number)}"#
            }
        }
    }

    private static let bodies: [(String, String, any Format)] = [
        ("lines", elements(5000, isLines: true).joined(separator: "\n"), ndjson),
        ("lines with blank ones", "\n\n" + elements(4500, isLines: true).joined(separator: "\r\n \n"), ndjson),
        ("lines that are called JSON", elements(4500, isLines: true).joined(separator: "\n") + "\n", json),
        ("an array", "[" + elements(5000, isLines: false).joined(separator: ",") + "]", json),
        (
            "an array with white space",
            " [ \n" + elements(5000, isLines: false).joined(separator: "\t,\r\n ") + "\n ] \n", json
        ),
        ("an array that ends with a part", "[" + elements(6144, isLines: false).joined(separator: ",") + "]", json),
        ("items", "[" + items(5000).joined(separator: " , ") + "]", liteLLM),
        ("items in a wrapper", #"{"records":["# + items(5000).joined(separator: ",") + "]}", liteLLM),
        ("items by line", items(5000).joined(separator: "\n"), liteLLM),
        (
            "arrays by line",
            "[" + items(3000).joined(separator: ",") + "]\n{broken\n[" + items(2500).joined(separator: ",") + "]\n",
            liteLLM
        ),
        (
            "items behind broken lines", String(repeating: "{x\n", count: 3000) + items(4000).joined(separator: "\n"),
            liteLLM
        ),
    ]

    @Test("are the whole body, in order", arguments: bodies.indices)
    func equal(index: Int) throws {
        let (name, body, format) = Self.bodies[index]
        let limit = index.isMultiple(of: 2) ? 2048 : 4096
        let expected = try whole(body, format)
        #expect(expected.events.count > 2000, "\(name)")
        let (content, sizes) = try inParts(body, format, of: limit)
        #expect(content == expected, "\(name)")
        #expect(sizes.count > 1 && sizes.allSatisfy { $0 <= limit + 2048 }, "\(name): \(sizes)")
    }

    @Test("of an array are taken only if the whole array is JSON")
    func brokenEnd() {
        let elements = Self.elements(5000, isLines: false).joined(separator: ",")
        for end in ["", ",]", "]]", "}", ",{]", "] x"] {
            #expect(throws: MalformedBody.self) {
                try Self.json.decode(
                    PaddedBytes(Array("[\(elements)\(end)".utf8)), arrival: arrival, elementLimit: 2048)
            }
        }
    }

    @Test("a body with as many records as a part has no rest")
    func noRest() throws {
        for body in [
            "[" + Self.elements(2048, isLines: false).joined(separator: ",") + "]",
            Self.elements(2048, isLines: true).joined(separator: "\n") + "\n\n",
        ] {
            let rest = try Self.json.decode(PaddedBytes(Array(body.utf8)), arrival: arrival, elementLimit: 2048).rest
            #expect(rest == nil)
        }
    }
}
