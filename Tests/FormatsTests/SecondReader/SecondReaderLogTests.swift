import Bodies
import Model
import Testing

@testable import Formats

private func decode(_ body: [UInt8]) -> DecodedBatch? {
    try? LogsFormat(.protobuf).decode(PaddedBytes(body), arrival: arrival)
}

private let captures = ["claude_proto/01_v1_logs.bin", "claude_err_final/01_v1_logs.bin", "codex/03_v1_logs.bin"]

extension RandomRequest {
    fileprivate mutating func logs() -> [UInt8] {
        fields(1, upTo: 3) { $0.message(1, $0.logGroup()) }
    }

    private mutating func logGroup() -> [UInt8] {
        fields(0, upTo: 2) { $0.message(1, $0.fields(0, upTo: 3) { $0.message(1, $0.attribute()) }) }
            + fields(1, upTo: 3) { $0.message(2, $0.fields(1, upTo: 4) { $0.message(2, $0.logRecord()) }) }
    }

    private mutating func logRecord() -> [UInt8] {
        let events = LogEvent.allCases.map(\.rawValue) + ["other", "event x.rs:1", ""]
        let event = Array((events.randomElement(using: &numbers) ?? "").utf8)
        let place = Int.random(in: 0..<3, using: &numbers)
        let name = Wire.chunk(1, "event.name".utf8) + Wire.chunk(2, Wire.chunk(1, event))
        let parts: [(inout RandomRequest) -> [UInt8]] = [
            { $0.fields(0, upTo: 2) { Wire.fixed64(1, .random(in: 0...2, using: &$0.numbers)) } },
            { place == 0 ? $0.message(5, Wire.chunk(1, event)) : $0.fields(0, upTo: 2) { $0.message(5, $0.value()) } },
            { _ in place == 1 ? Wire.chunk(6, name) : [] },
            { $0.fields(2, upTo: 9) { $0.message(6, $0.attribute()) } },
            { $0.fields(0, upTo: 2) { $0.message(9, $0.id(16)) } },
            { $0.fields(0, upTo: 2) { $0.message(10, $0.id(8)) } },
            { $0.fields(0, upTo: 2) { Wire.fixed64(11, .random(in: 0...2, using: &$0.numbers)) } },
            { place == 2 ? $0.message(12, event) : $0.fields(0, upTo: 2) { $0.message(12, $0.text()) } },
        ]
        return parts.shuffled(using: &numbers).flatMap { $0(&self) }
    }
}

@Suite("The second reader of log records") struct SecondReaderLogTests {
    @Test("both readers read the bodies that programs posted alike", arguments: captures)
    func fixtures(name: String) throws {
        let body = try fixture("../senders/\(name)")
        let batch = try #require(decode(body))
        #expect(batch.events.count >= 1)
        #expect(described(batch) == described(SecondReader.decodeLogs(body, arrival: arrival)))
    }

    @Test("both refuse or take a body with damage alike", arguments: captures, 0..<4)
    func damage(name: String, seed: Int) throws {
        let whole = try fixture("../senders/\(name)")
        var numbers = SeededNumbers(seed: seed + 300)
        for _ in 0..<150 {
            var body = whole
            for _ in 0..<Int.random(in: 1...2, using: &numbers) {
                let place = Int.random(in: 0..<body.count, using: &numbers)
                switch Int.random(in: 0..<4, using: &numbers) {
                case 0: body.removeSubrange(place..<min(body.count, place + 3))
                case 1: body.removeLast(min(body.count - 1, Int.random(in: 0...40, using: &numbers)))
                default: body[place] = .random(in: 0...255, using: &numbers)
                }
            }
            #expect(
                described(decode(body)) == described(SecondReader.decodeLogs(body, arrival: arrival)), "\(body)")
        }
    }

    @Test("both read random requests alike", arguments: 0..<8)
    func randomRequests(seed: Int) {
        var random = RandomRequest(numbers: SeededNumbers(seed: seed + 1))
        random.names = LogAttribute.allCases.map(\.rawValue) + ["agent_name", "service.name", "other"]
        var calls = 0
        var ignored = 0
        var rejected = 0
        for _ in 0..<150 {
            let body = random.logs()
            let batch = decode(body)
            calls += batch?.events.count ?? 0
            ignored += batch?.ignoredLogRecords.byEvent.reduce(0) { $0 + $1.count } ?? 0
            rejected += batch?.rejections.count ?? 0
            #expect(
                described(batch) == described(SecondReader.decodeLogs(body, arrival: arrival)), "\(body)")
        }
        #expect(
            calls > 100 && ignored > 50 && rejected > 10, "\(calls) calls, \(ignored) ignored, \(rejected) rejected")
    }

    @Test("answers are what swift-protobuf writes, and what it reads", arguments: [0, 1, Int(Int32.max) + 1])
    func answers(rejected: Int) throws {
        for message in ["", "m", "\"é\"\n\u{1F600}\\"] {
            var response = OTLPExportLogsServiceResponse()
            response.partialSuccess.rejectedLogRecords = Int64(rejected)
            response.partialSuccess.errorMessage = message
            func answer(_ encoding: OTLPEncoding) -> [UInt8] {
                OTLPAnswer.partialSuccess(rejected: rejected, of: .logs, message: message, encoding).body
            }
            #expect(answer(.protobuf) == (try response.serializedBytes()))
            #expect(try OTLPExportLogsServiceResponse(jsonUTF8Bytes: answer(.json)) == response)
        }
    }
}
