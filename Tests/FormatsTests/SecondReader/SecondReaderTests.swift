import Bodies
import HTTP
import Model
import SwiftProtobuf
import Testing

@testable import Formats

/// All that a batch says, as text.
func described(_ batch: DecodedBatch?) -> String {
    guard let batch else { return "refused" }
    let counts = batch.rejections.counts.map { "\($0.key): \($0.value)" }.sorted()
    let spans = batch.ignoredSpans
    let names = spans.names.map { "\($0.key): \($0.value)" }.sorted()
    let reports = batch.events.map { placed in
        guard case .end(let record) = placed.event, let report = record.report else { return "" }
        return "\(Mirror(reflecting: report).children.map { "\($0.label ?? ""): \($0.value)" })"
    }
    let events = batch.ignoredLogRecords.byEvent.map { "\($0.event): \($0.count)" }.sorted()
    return "\(batch.events)\n\(batch.rejections.listed)\n\(counts)\n\(batch.warnings)\n"
        + "\(spans.otherSpans) \(spans.openedStreams) \(names)\n\(events)\n\(batch.links)\n\(reports)"
}

private func decode(_ body: [UInt8]) -> DecodedBatch? {
    try? TracesFormat(.protobuf).decode(PaddedBytes(body), arrival: arrival)
}

/// Writes messages of OTLP with the freedoms that protobuf's encoding allows: fields in any order, more than once, in
/// parts, of other types, unknown ones and groups between them.
struct RandomRequest {
    var numbers: SeededNumbers
    /// The names that attributes get.
    var names = Self.spanNames

    private static let texts: [[UInt8]] = [
        Array("chat".utf8), Array("openai".utf8), Array("gpt-4o".utf8), Array("LLM".utf8), Array("agent".utf8),
        Array("execute_tool".utf8), Array("r1".utf8), Array("RateLimitError".utf8), Array("exception".utf8), [],
        Array("  ".utf8), [0x61, 0xFF, 0x62], Array("_reserved".utf8), Array(repeating: 0x61, count: 300),
    ]
    private static let spanNames =
        SpanAttribute.allCases.map(\.text) + [
            "exception.type", "agent_name", "service.name", "service.instance.id", "host.name", "process.pid", "other",
        ]

    mutating func request() -> [UInt8] {
        fields(1, upTo: 3) { $0.message(1, $0.group()) }
    }

    private mutating func group() -> [UInt8] {
        fields(0, upTo: 2) { $0.message(1, $0.fields(0, upTo: 3) { $0.message(1, $0.attribute()) }) }
            + fields(1, upTo: 3) { $0.message(2, $0.scope()) }
    }

    private mutating func scope() -> [UInt8] {
        fields(0, upTo: 2) { $0.message(1, $0.fields(0, upTo: 2) { $0.message(1, $0.text()) }) }
            + fields(1, upTo: 4) { $0.message(2, $0.span()) }
    }

    private mutating func span() -> [UInt8] {
        let isCall = !numbers.isOne(in: 3)
        let operation = Wire.chunk(1, "gen_ai.operation.name".utf8) + Wire.chunk(2, Wire.chunk(1, "chat".utf8))
        let isAnswered = numbers.isOne(in: 2)
        let response = Wire.chunk(1, "gen_ai.response.id".utf8) + Wire.chunk(2, Wire.chunk(1, "r1".utf8))
        let parts: [(inout RandomRequest) -> [UInt8]] = [
            { $0.fields(0, upTo: 2) { $0.message(1, $0.id(16)) } },
            { $0.fields(0, upTo: 2) { $0.message(2, $0.id(8)) } },
            { $0.fields(0, upTo: 2) { $0.message(4, $0.id(8)) } },
            { $0.fields(0, upTo: 2) { Wire.fixed64(7, .random(in: 0...200_000_000, using: &$0.numbers)) } },
            { $0.fields(0, upTo: 2) { Wire.fixed64(8, .random(in: 0...400_000_000, using: &$0.numbers)) } },
            { _ in isCall ? Wire.chunk(9, operation) : [] },
            { _ in isAnswered ? Wire.chunk(9, response) : [] },
            { $0.fields(2, upTo: 9) { $0.message(9, $0.attribute()) } },
            { $0.fields(0, upTo: 2) { $0.message(11, $0.event()) } },
            { $0.fields(0, upTo: 2) { $0.message(15, $0.fields(0, upTo: 2) { Wire.integer(3, $0.code()) }) } },
        ]
        return parts.shuffled(using: &numbers).flatMap { $0(&self) }
    }

    private mutating func event() -> [UInt8] {
        fields(0, upTo: 2) { $0.message(2, $0.numbers.isOne(in: 2) ? Array("exception".utf8) : $0.text()) }
            + fields(0, upTo: 3) { $0.message(3, $0.attribute()) }
    }

    mutating func attribute() -> [UInt8] {
        let name = Array((names.randomElement(using: &numbers) ?? "").utf8)
        let parts = [
            fields(1, upTo: 1) { _ in Wire.chunk(1, name) }, fields(1, upTo: 2) { $0.message(2, $0.value()) },
        ]
        return Array(parts.shuffled(using: &numbers).joined())
    }

    mutating func value() -> [UInt8] {
        fields(0, upTo: 2) { random in
            switch Int.random(in: 0..<6, using: &random.numbers) {
            case 0, 1: Wire.chunk(1, random.text())
            case 2: Wire.integer(2, .random(in: 0...2, using: &random.numbers))
            case 3: Wire.integer(3, random.code())
            case 4: Wire.fixed64(4, [0, 4.5, -1, .nan, 1e300].randomElement(using: &random.numbers, orElse: 0))
            default: Wire.chunk(6, Wire.chunk(1, random.text()))
            }
        }
    }

    mutating func text() -> [UInt8] { Self.texts.randomElement(using: &numbers) ?? [] }

    private mutating func code() -> UInt64 {
        [0, 1, 2, 7, 1 << 32 | 2, UInt64.max].randomElement(using: &numbers) ?? 0
    }

    /// Few ids, so that spans stand above each other.
    mutating func id(_ length: Int) -> [UInt8] {
        if numbers.isOne(in: 10) { return [1, 2, 3] }
        return Array(repeating: 0, count: length - 1) + [.random(in: 0...3, using: &numbers)]
    }

    /// A message, sometimes with a length that is written in more bytes than it needs.
    mutating func message(_ number: UInt64, _ content: [UInt8]) -> [UInt8] {
        guard numbers.isOne(in: 20) else { return Wire.chunk(number, content) }
        return Wire.tag(number, 2) + Wire.varint(UInt64(content.count), extraBytes: 2) + content
    }

    /// So many fields of one kind, with others between them.
    mutating func fields(
        _ least: Int, upTo most: Int, _ field: (inout RandomRequest) -> [UInt8]
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<Int.random(in: least...most, using: &numbers) {
            bytes += field(&self)
            if numbers.isOne(in: 4) { bytes += other() }
        }
        return bytes
    }

    /// An unknown field, or a known one of another type.
    private mutating func other() -> [UInt8] {
        let number = UInt64.random(in: 1...16, using: &numbers)
        switch Int.random(in: 0..<6, using: &numbers) {
        case 0: return Wire.integer(number + 20, .random(in: 0...UInt64.max, using: &numbers))
        case 1: return Wire.fixed32(number, 5)
        case 2: return Wire.group(number, Wire.group(3, Wire.chunk(1, text())) + Wire.integer(2, 1))
        case 3: return Wire.chunk(number + 20, text())
        case 4: return Wire.tag(number + 20, 1) + [1, 2, 3, 4, 5, 6, 7, 8]
        // A tag of five bytes.
        default: return Wire.varint((number + 20) << 3, extraBytes: 3) + [1]
        }
    }
}

extension Collection<Double> {
    fileprivate func randomElement(using numbers: inout SeededNumbers, orElse other: Double) -> UInt64 {
        (randomElement(using: &numbers) ?? other).bitPattern
    }
}

@Suite("The second reader of protobuf") struct SecondReaderTests {
    @Test("both readers read the bodies that exporters posted alike", arguments: ["openai-v2.bin", "traceloop.bin"])
    func fixtures(name: String) throws {
        let body = try fixture(name)
        let batch = try #require(decode(body))
        #expect(batch.events.count > 1)
        #expect(described(batch) == described(SecondReader.decode(body, arrival: arrival)))
    }

    @Test("both refuse or take a body with damage alike", arguments: ["openai-v2.bin", "traceloop.bin"], 0..<4)
    func damage(name: String, seed: Int) throws {
        let whole = try fixture(name)
        var numbers = SeededNumbers(seed: seed + 100)
        var taken = 0
        let rounds = 150
        for _ in 0..<rounds {
            var body = whole
            for _ in 0..<Int.random(in: 1...2, using: &numbers) {
                let place = Int.random(in: 0..<body.count, using: &numbers)
                switch Int.random(in: 0..<6, using: &numbers) {
                case 0: body.removeSubrange(place..<min(body.count, place + 3))
                case 1: body.insert(.random(in: 0...255, using: &numbers), at: place)
                case 2: body.removeLast(min(body.count - 1, Int.random(in: 0...40, using: &numbers)))
                default: body[place] = .random(in: 0...255, using: &numbers)
                }
            }
            let batch = decode(body)
            if batch != nil { taken += 1 }
            #expect(described(batch) == described(SecondReader.decode(body, arrival: arrival)), "\(body)")
        }
        // The damage is neither harmless nor fatal each time.
        #expect(taken > rounds / 20 && taken < rounds * 19 / 20, "\(taken)")
    }

    @Test("both read random requests alike", arguments: 0..<8)
    func randomRequests(seed: Int) {
        var random = RandomRequest(numbers: SeededNumbers(seed: seed + 1))
        var calls = 0
        var ignored = 0
        var rejected = 0
        for _ in 0..<150 {
            let body = random.request()
            let batch = decode(body)
            calls += batch?.events.count ?? 0
            ignored += batch?.links.count ?? 0
            rejected += batch?.rejections.count ?? 0
            #expect(described(batch) == described(SecondReader.decode(body, arrival: arrival)), "\(body)")
        }
        #expect(
            calls > 100 && ignored > 10 && rejected > 10, "\(calls) calls, \(ignored) ignored, \(rejected) rejected")
    }

    @Test("answers are what swift-protobuf writes, and what it reads", arguments: [0, 1, Int(Int32.max) + 1])
    func answers(rejected: Int) throws {
        for message in ["", "m", "\"é\"\n\u{1F600}\\"] {
            var response = OTLPExportTraceServiceResponse()
            response.partialSuccess.rejectedSpans = Int64(rejected)
            response.partialSuccess.errorMessage = message
            func answer(_ encoding: OTLPEncoding) -> [UInt8] {
                OTLPAnswer.partialSuccess(rejected: rejected, of: .traces, message: message, encoding).body
            }
            #expect(answer(.protobuf) == (try response.serializedBytes()))
            #expect(try OTLPExportTraceServiceResponse(jsonUTF8Bytes: answer(.json)) == response)

            var status = OTLPErrorStatus()
            status.code = 3
            status.message = message
            let problem = Problem(status: 400, detail: message)
            #expect(OTLPAnswer.error(problem, .protobuf).body == (try status.serializedBytes()))
            #expect(try OTLPErrorStatus(jsonUTF8Bytes: OTLPAnswer.error(problem, .json).body) == status)
        }
    }
}
