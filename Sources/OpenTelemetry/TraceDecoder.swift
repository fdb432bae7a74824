package import Bytes
package import Intake
package import Model
internal import SwiftProtobuf

/// Makes records of the spans that report LLM calls, of one request to `/v1/traces` (opentelemetry-proto 1.9,
/// `ExportTraceServiceRequest`).
package struct TraceDecoder: Sendable {
    private let encoding: OTLPEncoding
    private let arrival: Instant

    /// - Parameter arrival: the time of exemplars that have none of their own.
    package init(_ encoding: OTLPEncoding, arrival: Instant) {
        self.encoding = encoding
        self.arrival = arrival
    }

    /// Decodes a whole body.
    ///
    /// - Throws: when the body is no such message. A span at fault is among the rejections instead, by its place among all
    ///   spans of the request.
    package func decode(_ body: PaddedBytes) throws(MalformedBody) -> TraceBatch {
        var spans = RequestSpans(encoding)
        for group in try request(body).resourceSpans { spans.add(group) }
        return spans.batch(arrival: arrival)
    }

    private func request(_ body: PaddedBytes) throws(MalformedBody) -> OTLPExportTraceServiceRequest {
        // Safe: copied while the closure runs.
        let bytes = unsafe body.withUnsafeBytes { unsafe Array($0) }
        do throws(BodyBounds.Excess) {
            try BodyBounds.check(bytes, encoding)
        } catch {
            switch error {
            case .messages:
                throw MalformedBody(
                    detail: "the body holds more than \(BodyBounds.messageLimit) messages; send fewer spans at a time")
            case .depth:
                throw MalformedBody(
                    detail: "the body nests arrays and objects deeper than \(BodyBounds.depthLimit) levels")
            }
        }
        do {
            switch encoding {
            case .protobuf:
                var options = BinaryDecodingOptions()
                options.discardUnknownFields = true
                return try OTLPExportTraceServiceRequest(serializedBytes: bytes, options: options)
            case .json:
                var options = JSONDecodingOptions()
                options.ignoreUnknownFields = true
                return try OTLPExportTraceServiceRequest(jsonUTF8Bytes: bytes, options: options)
            }
        } catch {
            // What the parser says may quote the body.
            throw MalformedBody(
                detail:
                    "the body is no ExportTraceServiceRequest in \(encoding.contentType): check Content-Type, and that "
                    + "nothing was cut off")
        }
    }
}

/// What one request's spans come to.
package struct TraceBatch: Sendable {
    package let batch: DecodedBatch
    package let ignored: IgnoredSpans
}

/// Spans that were not counted, and need not be.
package struct IgnoredSpans: Sendable, Equatable {
    /// They report no LLM call.
    package var otherSpans = 0
    /// Another span of the request reports the same call.
    package var repeatedReports = 0

    package init() {}
}

/// The spans of a request, as they are read.
private struct RequestSpans {
    private let encoding: OTLPEncoding
    private var calls: [CallSpan] = []
    /// What an agent who is not named by a span is called, by the call's place.
    private var fallbackNames: [String] = []
    private var ancestors: [SpanID: (parent: SpanID?, agentName: String?)] = [:]
    private var scopes: [String: Int] = [:]
    private var processes: [String: Int] = [:]
    private var count = 0

    /// Spans between a call and the one that names its agent: bounds the work for hostile bodies.
    private static let ancestorLimit = 64
    private static let unknownAgent = "unknown"

    init(_ encoding: OTLPEncoding) {
        self.encoding = encoding
    }

    mutating func add(_ group: OTLPResourceSpans) {
        let attributes = group.resource.attributes
        let process = number(of: Self.process(attributes), in: &processes)
        let agentName = Self.agentName(attributes)
        for scopeSpans in group.scopeSpans {
            let scope = number(of: scopeSpans.scope.name, in: &scopes)
            for span in scopeSpans.spans { add(span, scope: scope, process: process, agentName: agentName) }
        }
    }

    private mutating func add(_ span: OTLPSpan, scope: Int, process: Int, agentName: String) {
        defer { count += 1 }
        var id: SpanID?
        var parent: SpanID?
        if let trace = encoding.number(span.traceID, as: UInt128.self) {
            id = encoding.number(span.spanID, as: UInt64.self).map { SpanID(trace: trace, span: $0) }
            parent = encoding.number(span.parentSpanID, as: UInt64.self).map { SpanID(trace: trace, span: $0) }
        }
        if let id, ancestors[id] == nil {
            ancestors[id] = (parent, span.attributes.text(AttributeNames.agent))
        }
        guard
            let call = CallSpan(span, index: count, id: id, parent: parent, scope: scope, process: process)
        else { return }
        calls.append(call)
        fallbackNames.append(agentName)
    }

    private func number(of name: String, in known: inout [String: Int]) -> Int {
        if let number = known[name] { return number }
        known[name] = known.count
        return known.count - 1
    }

    /// What tells a process from others: its instance, else its host and number, else all that is said of it.
    private static func process(_ attributes: [OTLPKeyValue]) -> String {
        func value(_ name: String) -> String? { attributes.first { $0.key == name }?.value.value?.description }
        if let instance = value(AttributeNames.instance) {
            return "instance\n\(value(AttributeNames.serviceName) ?? "")\n\(instance)"
        }
        // Without its host, as in containers, where it is 1 for each, the number tells nothing.
        if let process = value(AttributeNames.process), let host = value(AttributeNames.host) {
            return "process\n\(value(AttributeNames.serviceName) ?? "")\n\(host)\n\(process)"
        }
        return attributes.map { "\($0.key)=\($0.value.value?.description ?? "")" }.sorted().joined(separator: "\n")
    }

    private static func agentName(_ attributes: [OTLPKeyValue]) -> String {
        if let name = attributes.text(AttributeNames.agentName) { return name }
        // What SDKs say where nobody named the service.
        if let name = attributes.text(AttributeNames.serviceName), !name.hasPrefix("unknown_service") { return name }
        return unknownAgent
    }

    func batch(arrival: Instant) -> TraceBatch {
        var ignored = IgnoredSpans()
        ignored.otherSpans = count - calls.count
        let dropped = RepeatedReports(of: calls) { place in
            var trial = DraftedRecords(arrival: arrival)
            trial.take(self.draft(of: place), index: 0)
            return trial.batch.rejections.isEmpty
        }.dropped
        var records = DraftedRecords(arrival: arrival)
        for (place, call) in calls.enumerated() {
            if dropped[place] {
                ignored.repeatedReports += 1
                continue
            }
            records.take(draft(of: place), index: call.index)
        }
        return TraceBatch(batch: records.batch, ignored: ignored)
    }

    private func draft(of place: Int) -> RecordDraft {
        var draft = RecordDraft()
        calls[place].write(to: &draft, agentName: agentName(of: calls[place]) ?? fallbackNames[place])
        return draft
    }

    /// The name that the span has, or the nearest of its ancestors.
    private func agentName(of call: CallSpan) -> String? {
        if let name = call.agentName { return name }
        var next = call.parent
        for _ in 0..<Self.ancestorLimit {
            guard let id = next, let ancestor = ancestors[id] else { return nil }
            if let name = ancestor.agentName { return name }
            next = ancestor.parent
        }
        return nil
    }
}
