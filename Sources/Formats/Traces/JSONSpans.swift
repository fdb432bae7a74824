internal import Bodies

/// Reads the spans of an `ExportTraceServiceRequest` in JSON: protobuf's mapping with the exceptions of OTLP
/// (specification of OTLP, "JSON Protobuf Encoding"): names are lowerCamelCase, ids hexadecimal, 64-bit integers
/// numbers or text.
///
/// Unread values are checked for brackets, quotes and UTF-8 only. A value of the wrong type counts as absent.
struct JSONSpans: ~Copyable {
    let operatorAttributes: OperatorAttributes
    // One reader for each level: each continues after what is read within.
    private var groups = JSONReader(skippingAllBut: "resource.attributes\nscopeSpans\n")
    private var scopes = JSONReader(skippingAllBut: "scope.name\nspans\n")
    private var spans = JSONReader(
        skippingAllBut: "traceId\nspanId\nparentSpanId\nstartTimeUnixNano\nendTimeUnixNano\nstatus.code\nattributes\n"
            + "events\nname\n")
    private var events = JSONReader(skippingAllBut: "name\nattributes\n")
    private var attributes = JSONAttributes()

    static func read(_ body: PaddedBytes, into spans: inout RequestSpans) throws(MalformedBody) {
        try body.readJSON(.traces) { (groups) throws(JSONFault) in
            var request = JSONSpans(operatorAttributes: spans.operatorAttributes)
            try request.readGroups(groups, into: &spans)
        }
    }

    private mutating func readGroups(_ text: BorrowedBytes, into spans: inout RequestSpans) throws(JSONFault) {
        _ = try groups.open(text)
        while let group = try groups.nextElement() {
            guard case .object(let group) = group else { continue }
            var resource = Resource(operatorAttributes)
            try attributes.forEach(of: group[place: 0]) { name, value in resource.add(name, value) }
            spans.begin(resource)
            guard case .array(let text) = group[place: 1] else { continue }
            _ = try scopes.open(text)
            while let scope = try scopes.nextElement() {
                guard case .object(let scope) = scope else { continue }
                spans.begin(scope: scope[place: 0].string ?? "")
                if case .array(let text) = scope[place: 1] { try readSpans(text, into: &spans) }
            }
        }
    }

    private mutating func readSpans(_ text: BorrowedBytes, into read: inout RequestSpans) throws(JSONFault) {
        // One for all, to keep its memory.
        var span = Span()
        _ = try spans.open(text)
        while let element = try spans.nextElement() {
            guard case .object(let object) = element else { continue }
            let name = try readSpan(object, into: &span)
            read.add(span, name: name)
        }
    }

    /// - Returns: the span's name.
    private mutating func readSpan(
        _ object: JSONObject, into span: inout Span
    ) throws(JSONFault) -> BorrowedBytes {
        span.removeAll()
        if let id = object[place: 0].text { span.trace = UInt128(idDigits: id) }
        if let id = object[place: 1].text { span.number = UInt64(idDigits: id) }
        if let id = object[place: 2].text { span.parentNumber = UInt64(idDigits: id) }
        span.start = object[place: 3].unsigned ?? 0
        span.end = object[place: 4].unsigned ?? 0
        span.isFailed = object[place: 5].isErrorCode
        try attributes.forEach(of: object[place: 6]) { name, value in span.add(name, value, operatorAttributes) }
        try readEvents(object[place: 7], into: &span)
        let name = object[place: 8].text ?? .none
        span.isClaudeRequest = name.elementsEqual(Span.claudeRequestName.utf8)
        return name
    }

    private mutating func readEvents(_ value: JSONValue, into span: inout Span) throws(JSONFault) {
        guard case .array(let text) = value else { return }
        _ = try events.open(text)
        while let element = try events.nextElement() {
            guard case .object(let object) = element, let name = object[place: 0].text else { continue }
            var event = SpanEvent()
            event.set(name: name)
            try attributes.forEach(of: object[place: 1]) { name, value in event.add(name, value) }
            span.add(event)
        }
    }
}

extension JSONValue {
    /// Enumerations are integers to OTLP; protobuf's mapping writes their names.
    fileprivate var isErrorCode: Bool {
        switch self {
        case .number(let token): token.double == 2
        case .string(let text): text.elementsEqual("STATUS_CODE_ERROR".utf8)
        default: false
        }
    }
}
