import Bodies
import Model
import SwiftProtobuf

@testable import Formats
@testable import SecondReader

/// Spans in protobuf: swift-protobuf reads them alike, and so does the reader of JSON what swift-protobuf has read.
enum TracesTarget {
    static let protobuf = TracesFormat(.protobuf)
    static let json = TracesFormat(.json)

    static func test(_ body: [UInt8]) {
        let taken = BodyTarget.test(protobuf, body)
        let second = SecondReader.decode(body, arrival: arrival)
        OTLPComparison.check(taken, second)
        guard second != nil, let request = try? OTLPExportTraceServiceRequest(serializedBytes: body) else { return }
        var text = OTLPJSON()
        text.write(request)
        guard text.isExact else { return }
        let other = Decision { () throws(MalformedBody) in
            try json.decode(PaddedBytes(text.bytes), arrival: arrival)
        }
        require(taken == other, "in JSON: \(other), not \(taken), of \(String(decoding: text.bytes, as: UTF8.self))")
    }
}

/// The same of log records.
enum LogsTarget {
    static let protobuf = LogsFormat(.protobuf)
    static let json = LogsFormat(.json)

    static func test(_ body: [UInt8]) {
        let taken = BodyTarget.test(protobuf, body)
        let second = SecondReader.decodeLogs(body, arrival: arrival)
        OTLPComparison.check(taken, second)
    }
}

enum OTLPComparison {
    static func check(_ taken: Decision, _ second: DecodedBatch?) {
        switch taken {
        case .refused: require(second == nil, "refused, but swift-protobuf takes it")
        case .taken(let batch):
            guard let second else { return require(false, "taken, but swift-protobuf refuses it") }
            require(batch.isLike(second), "\(batch.described), not \(second.described)")
        }
    }
}

/// OTLP's JSON (specification of OTLP, "JSON Protobuf Encoding") of a request that swift-protobuf has read.
struct OTLPJSON {
    private(set) var bytes: [UInt8] = []
    /// Whether JSON can carry all of the request: text that is UTF-8, finite numbers.
    private(set) var isExact = true

    mutating func write(_ request: OTLPExportTraceServiceRequest) {
        object { json in
            json.list("resourceSpans", request.resourceSpans) { json, group in
                json.key("resource")
                json.object { $0.write(group.resource.attributes) }
                json.list("scopeSpans", group.scopeSpans) { json, scope in
                    json.key("scope")
                    json.object { json in
                        json.key("name")
                        json.string(Array(scope.scope.name))
                    }
                    json.list("spans", scope.spans) { $0.write($1) }
                }
            }
        }
    }

    private mutating func write(_ span: OTLPSpan) {
        for (name, id) in [("traceId", span.traceID), ("spanId", span.spanID), ("parentSpanId", span.parentSpanID)] {
            key(name)
            string(id.flatMap { byte in [byte >> 4, byte & 15].map { Array("0123456789abcdef".utf8)[Int($0)] } })
        }
        key("name")
        string(Array(span.name))
        key("startTimeUnixNano")
        string(Array("\(span.startTimeUnixNano)".utf8))
        key("endTimeUnixNano")
        string(Array("\(span.endTimeUnixNano)".utf8))
        write(span.attributes)
        list("events", span.events) { json, event in
            json.key("name")
            json.string(Array(event.name))
            json.write(event.attributes)
        }
        key("status")
        object { json in
            json.key("code")
            json.raw("\(span.status.code.rawValue)")
        }
    }

    private mutating func write(_ attributes: [OTLPKeyValue]) {
        list("attributes", attributes) { json, attribute in
            json.key("key")
            json.string(Array(attribute.key))
            json.key("value")
            json.object { json in
                switch attribute.value.value {
                case nil: break
                case .stringValue(let text):
                    json.key("stringValue")
                    json.string(Array(text))
                case .boolValue(let value):
                    json.key("boolValue")
                    json.raw("\(value)")
                case .intValue(let number):
                    json.key("intValue")
                    json.raw("\"\(number)\"")
                case .doubleValue(let number):
                    if !number.isFinite { json.isExact = false }
                    json.key("doubleValue")
                    json.raw("\(number.isFinite ? number : 0)")
                }
            }
        }
    }

    // MARK: JSON

    private mutating func list<Element>(
        _ name: String, _ elements: [Element], _ write: (inout OTLPJSON, Element) -> Void
    ) {
        key(name)
        raw("[")
        for element in elements { object { write(&$0, element) } }
        raw("]")
    }

    private mutating func object(_ members: (inout OTLPJSON) -> Void) {
        separate()
        bytes.append(UInt8(ascii: "{"))
        members(&self)
        bytes.append(UInt8(ascii: "}"))
    }

    private mutating func key(_ name: String) {
        separate()
        string(Array(name.utf8))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func string(_ text: [UInt8]) {
        if String(validating: text, as: UTF8.self) == nil { isExact = false }
        bytes.append(UInt8(ascii: "\""))
        for byte in text { JSONEscape.append(byte, to: &bytes) }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }

    /// A comma, unless nothing is before it at this level.
    private mutating func separate() {
        guard let last = bytes.last, !"{[:".utf8.contains(last) else { return }
        bytes.append(UInt8(ascii: ","))
    }
}
