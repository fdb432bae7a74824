import Bodies
import Model
import SwiftProtobuf

@testable import Formats

/// The spans of a request as swift-protobuf reads them: a second reader, to compare the program's own with.
enum SecondReader {
    /// - Returns: `nil` if swift-protobuf refuses the body.
    static func decode(_ body: [UInt8], arrival: Instant) -> DecodedBatch? {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let request = try? OTLPExportTraceServiceRequest(serializedBytes: body, options: options) else {
            return nil
        }
        var spans = RequestSpans()
        for group in request.resourceSpans {
            var resource = Resource()
            forEach(group.resource.attributes) { name, value in resource.add(name, value) }
            spans.begin(resource)
            for scope in group.scopeSpans {
                spans.begin(scope: String(decoding: scope.scope.name, as: UTF8.self))
                for span in scope.spans { lend(Array(span.name)) { spans.add(Span(span), name: $0) } }
            }
        }
        return spans.batch(arrival: arrival)
    }

    fileprivate static func forEach(
        _ attributes: [OTLPKeyValue], _ body: (BorrowedBytes, BorrowedValue) -> Void
    ) {
        for attribute in attributes {
            lend(Array(attribute.key)) { name in
                switch attribute.value.value {
                case nil: break
                case .stringValue(let text): lend(Array(text)) { body(name, .text($0)) }
                case .boolValue(let value): body(name, .boolean(value))
                case .intValue(let number): body(name, .integer(number))
                case .doubleValue(let number): body(name, .double(number))
                }
            }
        }
    }

    fileprivate static func lend<Result>(_ bytes: [UInt8], _ body: (BorrowedBytes) -> Result) -> Result {
        unsafe bytes.withUnsafeBufferPointer { body(unsafe BorrowedBytes($0)) }
    }
}

extension Span {
    fileprivate init(_ span: OTLPSpan) {
        self.init()
        trace = SecondReader.lend(Array(span.traceID)) { UInt128(idBytes: $0) }
        number = SecondReader.lend(Array(span.spanID)) { UInt64(idBytes: $0) }
        parentNumber = SecondReader.lend(Array(span.parentSpanID)) { UInt64(idBytes: $0) }
        start = span.startTimeUnixNano
        end = span.endTimeUnixNano
        isFailed = span.status.code == .error
        isClaudeRequest = Array(span.name).elementsEqual(Span.claudeRequestName.utf8)
        SecondReader.forEach(span.attributes) { name, value in attributes.add(name, value) }
        for message in span.events {
            var event = SpanEvent()
            SecondReader.lend(Array(message.name)) { event.set(name: $0) }
            SecondReader.forEach(message.attributes) { name, value in event.add(name, value) }
            add(event)
        }
    }
}
