import Bodies
import Model
import SwiftProtobuf

@testable import Formats

/// The spans and log records of a request as swift-protobuf reads them: a second reader, to compare the program's own
/// with.
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

    /// The same of a request of log records.
    static func decodeLogs(_ body: [UInt8], arrival: Instant) -> DecodedBatch? {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        guard let request = try? OTLPExportLogsServiceRequest(serializedBytes: body, options: options) else {
            return nil
        }
        var logs = RequestLogs(arrival: arrival)
        for group in request.resourceLogs {
            var resource = LogResource()
            forEach(group.resource.attributes) { name, value in resource.add(name, value) }
            logs.begin(resource.resource, digest: resource.digest)
            for scope in group.scopeLogs { for record in scope.logRecords { logs.add(LogRecord(record)) } }
        }
        return logs.batch
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
        SecondReader.forEach(span.attributes) { name, value in add(name, value, .none) }
        for message in span.events {
            var event = SpanEvent()
            SecondReader.lend(Array(message.name)) { event.set(name: $0) }
            SecondReader.forEach(message.attributes) { name, value in event.add(name, value) }
            add(event)
        }
    }
}

extension LogRecord {
    fileprivate init(_ record: OTLPLogRecord) {
        self.init()
        time = record.timeUnixNano
        observedTime = record.observedTimeUnixNano
        trace = SecondReader.lend(Array(record.traceID)) { UInt128(idBytes: $0) }
        span = SecondReader.lend(Array(record.spanID)) { UInt64(idBytes: $0) }
        SecondReader.forEach(record.attributes) { name, value in add(name, value) }
        SecondReader.lend(Array(record.eventName)) { set(eventName: $0) }
        if case .stringValue(let text) = record.body.value { SecondReader.lend(Array(text)) { set(body: $0) } }
    }
}
