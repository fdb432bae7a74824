internal import Bodies

/// Reads the spans of an `ExportTraceServiceRequest` in protobuf (opentelemetry-proto 1.9: collector/trace/v1,
/// trace/v1, resource/v1 and common/v1).
///
/// Reads as a protobuf parser does: of a scalar field that occurs twice the last counts, messages of one field are
/// merged, unknown fields and known ones of another type are skipped, and what is no protobuf anywhere in the messages
/// it knows refuses the body. Texts need not be UTF-8: a prompt that is cut within a character must not cost the other
/// spans.
struct ProtobufSpans {
    let operatorAttributes: OperatorAttributes
    /// One for all spans, to keep its memory.
    private var span = Span()

    static func read(_ body: PaddedBytes, into spans: inout RequestSpans) throws(MalformedBody) {
        try body.readProtobuf(.traces) { (request) throws(ProtobufFault) in
            var reading = ProtobufSpans(operatorAttributes: spans.operatorAttributes)
            try reading.read(request: request, into: &spans)
        }
    }

    private mutating func read(
        request: BorrowedBytes, into spans: inout RequestSpans
    ) throws(ProtobufFault) {
        var fields = ProtobufReader(request)
        while let field = try fields.nextField() {
            // resource_spans
            if case (1, .bytes(let group)) = (field.number, field.value) { try read(group: group, into: &spans) }
        }
    }

    private mutating func read(group: BorrowedBytes, into spans: inout RequestSpans) throws(ProtobufFault) {
        // The resource may follow its spans, and come in parts.
        var resource = Resource(operatorAttributes)
        var fields = ProtobufReader(group)
        while let field = try fields.nextField() {
            guard case (1, .bytes(let part)) = (field.number, field.value) else { continue }
            try ProtobufReader.forEachAttribute(ofResource: part) { resource.add($0, $1) }
        }
        spans.begin(resource)
        fields = ProtobufReader(group)
        while let field = try fields.nextField() {
            // scope_spans
            if case (2, .bytes(let scope)) = (field.number, field.value) { try read(scope: scope, into: &spans) }
        }
    }

    private mutating func read(scope: BorrowedBytes, into spans: inout RequestSpans) throws(ProtobufFault) {
        var name = ""
        var fields = ProtobufReader(scope)
        while let field = try fields.nextField() {
            guard case (1, .bytes(let part)) = (field.number, field.value) else { continue }
            var fields = ProtobufReader(part)
            while let field = try fields.nextField() {
                if case (1, .bytes(let text)) = (field.number, field.value) { name = text.string }
            }
        }
        spans.begin(scope: name)
        fields = ProtobufReader(scope)
        while let field = try fields.nextField() {
            guard case (2, .bytes(let message)) = (field.number, field.value) else { continue }
            let name = try read(span: message)
            spans.add(span, name: name)
        }
    }

    /// - Returns: the span's name.
    private mutating func read(span message: BorrowedBytes) throws(ProtobufFault) -> BorrowedBytes {
        span.removeAll()
        var name = BorrowedBytes.none
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            switch (field.number, field.value) {
            case (1, .bytes(let id)): span.trace = UInt128(idBytes: id)
            case (2, .bytes(let id)): span.number = UInt64(idBytes: id)
            case (4, .bytes(let id)): span.parentNumber = UInt64(idBytes: id)
            case (5, .bytes(let text)): name = text
            case (7, .fixed64(let time)): span.start = time
            case (8, .fixed64(let time)): span.end = time
            case (9, .bytes(let attribute)):
                if let (name, value) = try ProtobufReader.attribute(attribute) {
                    span.add(name, value, operatorAttributes)
                }
            case (11, .bytes(let event)): span.add(try Self.event(event))
            case (15, .bytes(let status)): try read(status: status)
            default: break
            }
        }
        span.isClaudeRequest = name.elementsEqual(Span.claudeRequestName.utf8)
        return name
    }

    private mutating func read(status: BorrowedBytes) throws(ProtobufFault) {
        var fields = ProtobufReader(status)
        while let field = try fields.nextField() {
            // STATUS_CODE_ERROR is 2. Enumerations have 32 bits.
            if case (3, .varint(let code)) = (field.number, field.value) {
                span.isFailed = UInt32(truncatingIfNeeded: code) == 2
            }
        }
    }

    private static func event(_ message: BorrowedBytes) throws(ProtobufFault) -> SpanEvent {
        var event = SpanEvent()
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            switch (field.number, field.value) {
            case (2, .bytes(let name)): event.set(name: name)
            case (3, .bytes(let attribute)):
                if let (name, value) = try ProtobufReader.attribute(attribute) { event.add(name, value) }
            default: break
            }
        }
        return event
    }
}
