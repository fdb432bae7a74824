internal import Bodies
internal import SwiftProtobuf

/// Reads the spans of an `ExportTraceServiceRequest` in protobuf.
enum ProtobufRequest {
    static func read(_ body: PaddedBytes, into spans: inout RequestSpans) throws(MalformedBody) {
        // Safe: copied while the closure runs.
        let bytes = unsafe body.withUnsafeBytes { unsafe Array($0) }
        guard BodyBounds.allow(bytes) else {
            throw MalformedBody(
                detail: "the body holds more than \(BodyBounds.messageLimit) messages; send fewer spans at a time")
        }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        // What the parser says may quote the body.
        guard let request = try? OTLPExportTraceServiceRequest(serializedBytes: bytes, options: options) else {
            throw .unreadable(.protobuf)
        }
        for group in request.resourceSpans {
            spans.begin(resource: attributes(group.resource.attributes))
            for scope in group.scopeSpans {
                spans.begin(scope: scope.scope.name.text)
                for span in scope.spans { spans.add(Span(span)) }
            }
        }
    }

    /// - Parameter names: those that are read; `nil` is all.
    fileprivate static func attributes(
        _ attributes: [OTLPKeyValue], names: Set<String>? = nil
    ) -> [String: AttributeValue] {
        var read: [String: AttributeValue] = [:]
        for attribute in attributes {
            let name = attribute.key.text
            if let value = attribute.value.value, names?.contains(name) != false {
                read.add(name, AttributeValue(value))
            }
        }
        return read
    }
}

extension Span {
    fileprivate init(_ span: OTLPSpan) {
        let trace = UInt128(idBytes: span.traceID)
        id = SpanID(trace: trace, span: UInt64(idBytes: span.spanID))
        parent = SpanID(trace: trace, span: UInt64(idBytes: span.parentSpanID))
        start = span.startTimeUnixNano
        end = span.endTimeUnixNano
        isFailed = span.status.code == .error
        attributes = ProtobufRequest.attributes(span.attributes, names: AttributeNames.ofSpans)
        guard isFailed else { return }
        for event in span.events where exceptionType == nil && event.name.text == AttributeNames.exceptionEvent {
            exceptionType =
                ProtobufRequest.attributes(event.attributes, names: [AttributeNames.exceptionType])
                .first?.value.text
        }
    }
}

extension AttributeValue {
    fileprivate init?(_ value: OTLPAnyValue.OneOf_Value) {
        switch value {
        case .stringValue(let text): self.init(text: text.text)
        case .boolValue(let value): self = .boolean(value)
        case .intValue(let number): self = .integer(number)
        case .doubleValue(let number): self = .double(number)
        }
    }
}

extension Collection<UInt8> {
    /// What is no UTF-8 becomes U+FFFD.
    fileprivate var text: String { String(decoding: self, as: UTF8.self) }
}
