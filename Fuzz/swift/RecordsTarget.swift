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
        compareWithArray(body)
        // Not for each body, as a new decoder costs as much as ten of them; for the same ones each time.
        guard body.reduce(0, &+) % 16 == 0 else { return }
        require(json == decision(body, .json), "the decoder keeps something of the bodies before")
        require(lines == decision(body, .ndjson), "the decoder keeps something of the bodies before")
    }

    private static func decision(_ body: [UInt8], _ format: BodyFormat) -> Decision {
        Decision { () throws(MalformedBody) in
            try RecordDecoder().decode(PaddedBytes(body), format: format, idempotencyKey: nil, arrival: arrival)
        }
    }

    private static func decoded(_ body: [UInt8], _ format: BodyFormat) -> DecodedBatch? {
        let key = IdempotencyKey(header: "k")
        return try? RecordsFormat(format, idempotencyKey: key, decoders: decoders)
            .decode(PaddedBytes(body), arrival: arrival)
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
        require(one.hasLikeEvents(as: other), "\(one.events), not \(other.events)")
        // Messages about lines name the line.
        let areLike = one.hasLikeRejections(as: other) { $0.field == $1.field && $0.code == $1.code }
        require(areLike, "\(one.rejections), not \(other.rejections)")
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
