internal import Bodies
internal import Model

/// Reads the spans of an `ExportTraceServiceRequest` in JSON: protobuf's mapping with the exceptions of OTLP (specification
/// of OTLP, "JSON Protobuf Encoding"): names are lowerCamelCase, ids hexadecimal, 64-bit integers numbers or text.
///
/// Of what is not read no more is checked than brackets, quotes and UTF-8; what is read, and is not of its type, is absent.
struct JSONRequest: ~Copyable {
    // One reader a level: each goes on behind what is read within.
    private var groups = JSONReader(skippingAllBut: "resource.attributes\nscopeSpans\n")
    private var scopes = JSONReader(skippingAllBut: "scope.name\nspans\n")
    private var spans = JSONReader(
        skippingAllBut: "traceId\nspanId\nparentSpanId\nstartTimeUnixNano\nendTimeUnixNano\nstatus.code\nattributes\n"
            + "events\n")
    private var events = JSONReader(skippingAllBut: "name\nattributes\n")
    private var attributes = JSONReader(
        skippingAllBut: "key\nvalue.stringValue\nvalue.boolValue\nvalue.intValue\nvalue.doubleValue\n")

    static func read(_ body: PaddedBytes, into spans: inout RequestSpans) throws(MalformedBody) {
        // Safe: no text leaves the closure, only values made of it.
        try unsafe body.repairedUTF8.withUnsafeBytes { (bytes) throws(MalformedBody) in
            let text = unsafe JSONText(bytes.assumingMemoryBound(to: UInt8.self))
            var isRequest = false
            do throws(JSONFault) {
                isRequest = try read(text, into: &spans)
            } catch {
                // What is wrong with it may quote the body.
            }
            if !isRequest { throw .unreadable(.json) }
        }
    }

    /// - Returns: `false` where the text is no request.
    private static func read(_ text: JSONText, into spans: inout RequestSpans) throws(JSONFault) -> Bool {
        var whole = JSONReader(skippingAllBut: "resourceSpans\n")
        guard try whole.open(text) == .object else { return false }
        switch try whole.readObject()[place: 0] {
        case .absent, .null: return true
        case .array(let groups):
            var request = JSONRequest()
            try request.readGroups(groups, into: &spans)
            return true
        default: return false
        }
    }

    private mutating func readGroups(_ text: JSONText, into spans: inout RequestSpans) throws(JSONFault) {
        _ = try groups.open(text)
        while let group = try groups.nextElement() {
            guard case .object(let group) = group else { continue }
            spans.begin(resource: try read(attributes: group[place: 0], names: nil))
            guard case .array(let text) = group[place: 1] else { continue }
            _ = try scopes.open(text)
            while let scope = try scopes.nextElement() {
                guard case .object(let scope) = scope else { continue }
                spans.begin(scope: scope[place: 0].string ?? "")
                if case .array(let text) = scope[place: 1] { try readSpans(text, into: &spans) }
            }
        }
    }

    private mutating func readSpans(_ text: JSONText, into read: inout RequestSpans) throws(JSONFault) {
        _ = try spans.open(text)
        while let span = try spans.nextElement() {
            if case .object(let span) = span { read.add(try self.span(span)) }
        }
    }

    private mutating func span(_ object: JSONObject) throws(JSONFault) -> Span {
        var span = Span()
        let trace = object[place: 0].text.flatMap { UInt128(idDigits: $0) }
        span.id = SpanID(trace: trace, span: object[place: 1].text.flatMap { UInt64(idDigits: $0) })
        span.parent = SpanID(trace: trace, span: object[place: 2].text.flatMap { UInt64(idDigits: $0) })
        span.start = object[place: 3].unsigned ?? 0
        span.end = object[place: 4].unsigned ?? 0
        span.isFailed = object[place: 5].isErrorCode
        span.attributes = try read(attributes: object[place: 6], names: AttributeNames.ofSpans)
        if span.isFailed { span.exceptionType = try exceptionType(events: object[place: 7]) }
        return span
    }

    private mutating func exceptionType(events value: JSONValue) throws(JSONFault) -> String? {
        guard case .array(let text) = value else { return nil }
        _ = try events.open(text)
        while let event = try events.nextElement() {
            guard case .object(let event) = event, event[place: 0].string == AttributeNames.exceptionEvent else {
                continue
            }
            let attributes = try read(attributes: event[place: 1], names: [AttributeNames.exceptionType])
            if let type = attributes[AttributeNames.exceptionType]?.text { return type }
        }
        return nil
    }

    /// - Parameter names: those that are read; `nil` is all.
    private mutating func read(
        attributes value: JSONValue, names: Set<String>?
    ) throws(JSONFault) -> [String: AttributeValue] {
        var read: [String: AttributeValue] = [:]
        guard case .array(let text) = value else { return read }
        _ = try attributes.open(text)
        while let attribute = try attributes.nextElement() {
            guard case .object(let attribute) = attribute, let name = attribute[place: 0].string,
                names?.contains(name) != false
            else { continue }
            read.add(name, AttributeValue(attribute))
        }
        return read
    }
}

extension AttributeValue {
    /// - Parameter attribute: its members as `JSONRequest` names them.
    fileprivate init?(_ attribute: JSONObject) {
        if let text = attribute[place: 1].string {
            self.init(text: text)
        } else if case .boolean(let token) = attribute[place: 2] {
            self = .boolean(token.elementsEqual("true".utf8))
        } else if let token = attribute[place: 3].digits {
            self = Int64(token.string).map { .integer($0) } ?? .double(token.double)
        } else if let token = attribute[place: 4].digits {
            self = .double(token.double)
        } else if let text = attribute[place: 4].string {
            // `NaN` and infinities are text in protobuf's JSON.
            guard let number = Double(text), !number.isFinite else { return nil }
            self = .double(number)
        } else {
            return nil
        }
    }
}

extension JSONValue {
    fileprivate var text: JSONText? {
        if case .string(let text) = self { text } else { nil }
    }

    fileprivate var string: String? { text?.string }

    /// A number, or a text that is one.
    fileprivate var digits: JSONText? {
        switch self {
        case .number(let token): token
        case .string(let text): DecimalNumber(text) == nil ? nil : text
        default: nil
        }
    }

    fileprivate var unsigned: UInt64? {
        guard let digits else { return nil }
        if let number = UInt64(digits.string) { return number }
        guard let number = DecimalNumber(digits), !number.isNegative else { return nil }
        return number.magnitude(scale: 0).flatMap { UInt64(exactly: $0) }
    }

    /// Enumerations are integers to OTLP; protobuf's mapping writes their names.
    fileprivate var isErrorCode: Bool {
        switch self {
        case .number(let token): token.double == 2
        case .string(let text): text.elementsEqual("STATUS_CODE_ERROR".utf8)
        default: false
        }
    }
}
