import Bodies
import HTTP
import Model
import Testing

@testable import Formats

private func decode(_ body: [UInt8], _ encoding: OTLPEncoding) throws(MalformedBody) -> DecodedBatch {
    try OTLPMetricsFormat(encoding).decode(PaddedBytes(body), arrival: arrival)
}

@Suite("OpenTelemetry metrics") struct OTLPMetricsTests {
    /// A request of one metric, whose kind has this field.
    private static func request(_ kind: UInt64, _ dataPoints: [UInt8]) -> [UInt8] {
        let metric = Wire.chunk(1, "name".utf8) + Wire.chunk(kind, dataPoints + Wire.integer(2, 1))
        return Wire.chunk(1, Wire.chunk(1, []) + Wire.chunk(2, Wire.chunk(1, []) + Wire.chunk(2, metric)))
    }

    private static let dataPoint = Wire.chunk(1, Wire.fixed64(3, 5) + Wire.integer(8, 1))

    @Test("the data points of all kinds are counted in protobuf", arguments: [5, 7, 9, 10, 11] as [UInt64])
    func protobuf(kind: UInt64) throws {
        let two = Self.dataPoint + Self.dataPoint
        #expect(try decode(Self.request(kind, two), .protobuf).ignoredDataPoints == 2)
        #expect(try decode(Self.request(kind, two) + Self.request(5, two), .protobuf).ignoredDataPoints == 4)
        #expect(try decode(Self.request(kind, []), .protobuf).ignoredDataPoints == 0)
        // The fields of the kinds end at 11; a field of another type is skipped.
        #expect(try decode(Self.request(kind + 100, two), .protobuf).ignoredDataPoints == 0)
        #expect(try decode(Self.request(kind, Wire.fixed64(1, 5)), .protobuf).ignoredDataPoints == 0)
    }

    @Test(
        "the data points of all kinds are counted in JSON",
        arguments: ["gauge", "sum", "histogram", "exponentialHistogram", "summary"])
    func json(kind: String) throws {
        func count(_ metric: String) throws -> Int? {
            let scopes = #"[{"scope":{},"metrics":[{"name":"dataPoints"},5,\#(metric)]},{"metrics":null},{}]"#
            let body = #"{"resourceMetrics":[{"resource":{},"scopeMetrics":\#(scopes)},null,{}]}"#
            return try decode(Array(body.utf8), .json).ignoredDataPoints
        }
        #expect(try count(#"{"\#(kind)":{"dataPoints":[{"asInt":"1"},{"asDouble":0.5}]}}"#) == 2)
        #expect(try count(#"{"\#(kind)":{"dataPoints":[]}},{"\#(kind)":{"dataPoints":[{}]}}"#) == 1)
        #expect(try count(#"{"\#(kind)":{"dataPoints":5}},{"\#(kind)x":{"dataPoints":[{}]}}"#) == 0)
    }

    @Test("a captured body has its data points, and no calls")
    func captured() throws {
        let batch = try decode(fixture("metrics.bin"), .protobuf)
        #expect(batch.ignoredDataPoints == 11)
        #expect(batch.events.isEmpty && batch.rejections.isEmpty)
    }

    @Test("an empty request holds no data points, and other bodies do not hold metrics at all")
    func empty() throws {
        #expect(try decode([], .protobuf).ignoredDataPoints == 0)
        #expect(try decode(Array("{}".utf8), .json).ignoredDataPoints == 0)
        #expect(try decode(Array(#"{"resourceMetrics":null}"#.utf8), .json).ignoredDataPoints == 0)
        #expect(try TracesFormat(.protobuf).decode(PaddedBytes([]), arrival: arrival).ignoredDataPoints == nil)
    }

    @Test(
        "a body that is no request of metrics is refused",
        arguments: ["", "[]", "5", "{", #"{"resourceMetrics":5}"#, #"{"resourceMetrics":{}}"#, "{} {}"])
    func malformedJSON(body: String) {
        #expect(throws: MalformedBody.self) { try decode(Array(body.utf8), .json) }
    }

    @Test("protobuf that is cut within a message is refused, down to the data points; so are spans")
    func malformedProtobuf() throws {
        let whole = Self.request(7, Self.dataPoint)
        for count in 1..<whole.count {
            #expect(throws: MalformedBody.self, "\(count)") { try decode(Array(whole.prefix(count)), .protobuf) }
        }
        #expect(throws: MalformedBody.self) { try decode(Self.request(7, Wire.chunk(1, [0x0A, 0x7F])), .protobuf) }
        #expect(throws: MalformedBody.self) { try decode(fixture("openai-v2.bin"), .protobuf) }
        #expect(throws: MalformedBody.self) { try decode(Array("not protobuf".utf8), .protobuf) }
    }

    @Test("the answer rejects all data points, and says what to set instead")
    func answer() throws {
        var outcome = Outcome()
        #expect(OTLPMetricsFormat(.json).answer(to: outcome).body == Array("{}".utf8))
        outcome.ignoredDataPoints = 7
        let answer = OTLPMetricsFormat(.json).answer(to: outcome)
        #expect(answer.status == 200)
        let text = String(decoding: answer.body, as: UTF8.self)
        #expect(text.contains(#"{"partialSuccess":{"rejectedDataPoints":"7","errorMessage":"metrics are not counted"#))
        #expect(text.contains("OTEL_METRICS_EXPORTER=none"))
    }
}
