import Bodies
import Model

@testable import Formats

/// Call records, as JSON and as lines.
enum RecordsTarget {
    private static let decoders = RecordDecoders()

    static func test(_ body: [UInt8]) {
        // These keep one decoder, with the buffers and names of all bodies before.
        let json = BodyTarget.test(RecordsFormat(.json, idempotencyKey: nil, decoders: decoders), body)
        let lines = BodyTarget.test(RecordsFormat(.ndjson, idempotencyKey: nil, decoders: decoders), body)
        require(json == decision(body, .json), "the decoder keeps something of the bodies before")
        require(lines == decision(body, .ndjson), "the decoder keeps something of the bodies before")
        compareWithArray(body)
    }

    private static func decision(_ body: [UInt8], _ format: BodyFormat) -> Decision {
        Decision { () throws(MalformedBody) in
            try RecordDecoder().decode(PaddedBytes(body), format: format, idempotencyKey: nil, arrival: arrival)
        }
    }

    private static func decoded(_ body: [UInt8], _ format: BodyFormat) -> DecodedBatch? {
        let key = IdempotencyKey(header: "k")
        return try? RecordDecoder().decode(PaddedBytes(body), format: format, idempotencyKey: key, arrival: arrival)
    }

    /// Lines that are objects mean what an array of them means.
    private static func compareWithArray(_ body: [UInt8]) {
        let lines = body.split(separator: UInt8(ascii: "\n")).filter { !$0.allSatisfy(\.isWhiteSpace) }
        guard !lines.isEmpty, lines.count <= 20 else { return }
        let areObjects = lines.allSatisfy { line in
            line.first { !$0.isWhiteSpace } == UInt8(ascii: "{") && decoded(Array(line), .json) != nil
        }
        guard areObjects else { return }
        let array = Array("[".utf8) + Array(lines.joined(separator: ",".utf8)) + Array("]".utf8)
        guard let one = decoded(body, .ndjson) else { return require(false, "sound lines are refused") }
        guard let other = decoded(array, .json) else { return require(false, "an array of sound lines is refused") }
        require(one.describedEvents == other.describedEvents, "\(one.events), not \(other.events)")
        // Messages about lines name the line.
        require(one.describedRejections { _ in "" } == other.describedRejections { _ in "" }, "\(one.rejections)")
        require(one.events.count + one.rejections.count == lines.count, "\(lines.count) lines")
    }
}

enum LiteLLMTarget {
    static let format = LiteLLMFormat(agentName: nil)
}

/// Metrics, of which only points are counted.
enum MetricsTarget {
    static let protobuf = OTLPMetricsFormat(.protobuf)
    static let json = OTLPMetricsFormat(.json)
}
