internal import Bodies

/// Reads the log records of an `ExportLogsServiceRequest` in JSON, as `JSONSpans` reads spans.
struct JSONLogs: ~Copyable {
    // One reader for each level: each continues after what is read within.
    private var groups = JSONReader(skippingAllBut: "resource.attributes\nscopeLogs\n")
    private var scopes = JSONReader(skippingAllBut: "logRecords\n")
    private var records = JSONReader(
        skippingAllBut: "timeUnixNano\nobservedTimeUnixNano\ntraceId\nspanId\neventName\nbody.stringValue\nattributes\n"
    )
    private var attributes = JSONAttributes()
    // One for all, to keep their memory.
    private var resource: LogResource
    private var record: LogRecord

    static func read(_ body: PaddedBytes, into logs: inout RequestLogs) throws(MalformedBody) {
        try body.readJSON(.logs) { (groups) throws(JSONFault) in
            var request = JSONLogs(
                resource: LogResource(logs.operatorAttributes), record: LogRecord(logs.operatorAttributes))
            try request.readGroups(groups, into: &logs)
        }
    }

    private mutating func readGroups(_ text: BorrowedBytes, into logs: inout RequestLogs) throws(JSONFault) {
        _ = try groups.open(text)
        while let group = try groups.nextElement() {
            guard case .object(let group) = group else { continue }
            resource.removeAll()
            try attributes.forEach(of: group[place: 0]) { name, value in resource.add(name, value) }
            logs.begin(resource.resource, digest: resource.digest)
            guard case .array(let text) = group[place: 1] else { continue }
            _ = try scopes.open(text)
            while let scope = try scopes.nextElement() {
                guard case .object(let scope) = scope, case .array(let text) = scope[place: 0] else { continue }
                try readRecords(text, into: &logs)
            }
        }
    }

    private mutating func readRecords(_ text: BorrowedBytes, into logs: inout RequestLogs) throws(JSONFault) {
        _ = try records.open(text)
        while let element = try records.nextElement() {
            guard case .object(let object) = element else { continue }
            record.removeAll()
            record.time = object[place: 0].unsigned ?? 0
            record.observedTime = object[place: 1].unsigned ?? 0
            if let id = object[place: 2].text { record.trace = UInt128(idDigits: id) }
            if let id = object[place: 3].text { record.span = UInt64(idDigits: id) }
            if let name = object[place: 4].text { record.set(eventName: name) }
            if let body = object[place: 5].text { record.set(body: body) }
            try attributes.forEach(of: object[place: 6]) { name, value in record.add(name, value) }
            logs.add(record)
        }
    }
}
