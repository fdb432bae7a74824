internal import Bodies

/// Reads the log records of an `ExportLogsServiceRequest` in protobuf (opentelemetry-proto 1.9: collector/logs/v1,
/// logs/v1, resource/v1 and common/v1), as `ProtobufSpans` reads spans.
struct ProtobufLogs {
    // One for all, to keep their memory.
    private var resource: LogResource
    private var record: LogRecord

    static func read(_ body: PaddedBytes, into logs: inout RequestLogs) throws(MalformedBody) {
        try body.readProtobuf(.logs) { (request) throws(ProtobufFault) in
            var reading = ProtobufLogs(
                resource: LogResource(logs.operatorAttributes), record: LogRecord(logs.operatorAttributes))
            try reading.read(request: request, into: &logs)
        }
    }

    private mutating func read(request: BorrowedBytes, into logs: inout RequestLogs) throws(ProtobufFault) {
        var fields = ProtobufReader(request)
        while let field = try fields.nextField() {
            // resource_logs
            if case (1, .bytes(let group)) = (field.number, field.value) { try read(group: group, into: &logs) }
        }
    }

    private mutating func read(group: BorrowedBytes, into logs: inout RequestLogs) throws(ProtobufFault) {
        // The resource may follow its log records, and come in parts.
        resource.removeAll()
        var fields = ProtobufReader(group)
        while let field = try fields.nextField() {
            guard case (1, .bytes(let part)) = (field.number, field.value) else { continue }
            try ProtobufReader.forEachAttribute(ofResource: part) { resource.add($0, $1) }
        }
        logs.begin(resource.resource, digest: resource.digest)
        fields = ProtobufReader(group)
        while let field = try fields.nextField() {
            // scope_logs
            if case (2, .bytes(let scope)) = (field.number, field.value) { try read(scope: scope, into: &logs) }
        }
    }

    private mutating func read(scope: BorrowedBytes, into logs: inout RequestLogs) throws(ProtobufFault) {
        var fields = ProtobufReader(scope)
        while let field = try fields.nextField() {
            guard case (2, .bytes(let message)) = (field.number, field.value) else { continue }
            try read(record: message)
            logs.add(record)
        }
    }

    private mutating func read(record message: BorrowedBytes) throws(ProtobufFault) {
        record.removeAll()
        var body: BorrowedValue?
        var eventName: BorrowedBytes?
        var fields = ProtobufReader(message)
        while let field = try fields.nextField() {
            switch (field.number, field.value) {
            case (1, .fixed64(let time)): record.time = time
            case (5, .bytes(let part)): try ProtobufReader.read(value: part, into: &body)
            case (6, .bytes(let attribute)):
                if let (name, value) = try ProtobufReader.attribute(attribute) { record.add(name, value) }
            case (9, .bytes(let id)): record.trace = UInt128(idBytes: id)
            case (10, .bytes(let id)): record.span = UInt64(idBytes: id)
            case (11, .fixed64(let time)): record.observedTime = time
            case (12, .bytes(let name)): eventName = name
            default: break
            }
        }
        if let eventName { record.set(eventName: eventName) }
        if case .text(let text) = body { record.set(body: text) }
    }
}
