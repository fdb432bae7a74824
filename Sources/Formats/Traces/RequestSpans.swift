internal import Model

/// The spans of a request, as they are read: each belongs to the resource and the scope that were begun last.
struct RequestSpans {
    private var calls: [CallSpan] = []
    /// What an agent who is not named by a span is called, by the call's place.
    private var fallbackNames: [String] = []
    private var lineage = Lineage()
    private var scopes: [String: Int] = [:]
    private var processes: [String: Int] = [:]
    private var count = 0
    private var process = 0
    private var scope = 0
    private var agentName = unknownAgent

    private static let unknownAgent = "unknown"
    /// Owns the ids of all spans, which tell them apart whoever their agents are: which agent a span belongs to depends on
    /// what else is in its request. No agent can have the name.
    private static let idOwner = LabelValue("_span")

    mutating func begin(resource attributes: [String: AttributeValue]) {
        process = Self.number(of: Self.process(attributes), in: &processes)
        agentName = Self.agentName(attributes)
    }

    mutating func begin(scope name: String) {
        scope = Self.number(of: name, in: &scopes)
    }

    mutating func add(_ span: Span) {
        defer { count += 1 }
        lineage.add(span)
        guard let call = CallSpan(span, index: count, scope: scope, process: process) else { return }
        calls.append(call)
        fallbackNames.append(agentName)
    }

    private static func number(of name: String, in known: inout [String: Int]) -> Int {
        if let number = known[name] { return number }
        known[name] = known.count
        return known.count - 1
    }

    /// What tells a process from others: its instance, else its host and number, else all that is said of it.
    private static func process(_ attributes: [String: AttributeValue]) -> String {
        func value(_ name: String) -> String? { attributes[name]?.description }
        if let instance = value(AttributeNames.instance) {
            return "instance\n\(value(AttributeNames.serviceName) ?? "")\n\(instance)"
        }
        // Without its host, as in containers, where it is 1 for each, the number tells nothing.
        if let process = value(AttributeNames.process), let host = value(AttributeNames.host) {
            return "process\n\(value(AttributeNames.serviceName) ?? "")\n\(host)\n\(process)"
        }
        return attributes.map { "\($0.key)=\($0.value.description)" }.sorted().joined(separator: "\n")
    }

    private static func agentName(_ attributes: [String: AttributeValue]) -> String {
        if let name = attributes[AttributeNames.agentName]?.text, name.isName { return name }
        // What SDKs say where nobody named the service.
        if let name = attributes[AttributeNames.serviceName]?.text, name.isName,
            !name.hasPrefix("unknown_service")
        {
            return name
        }
        return unknownAgent
    }

    func batch(arrival: Instant) -> DecodedBatch {
        var drafted = DraftedRecords(arrival: arrival, idOwner: Self.idOwner)
        var draft = RecordDraft()
        let records = zip(calls, fallbackNames).map { call, fallback in
            draft.removeAll()
            call.write(to: &draft, agentName: call.agentName ?? lineage.agentName(above: call) ?? fallback)
            return drafted.read(draft, index: call.index)
        }
        let isRecord = records.map { if case .success = $0 { true } else { false } }
        let dropped = RepeatedReports(of: calls, lineage, isRecord: isRecord).dropped
        var ignored = IgnoredSpans()
        ignored.otherSpans = count - calls.count
        ignored.repeatedReports = dropped.count { $0 }
        let kept = calls.indices.lazy.filter { !dropped[$0] }.map { (index: calls[$0].index, record: records[$0]) }
        var batch = drafted.batch(kept)
        batch.ignoredSpans = ignored
        return batch
    }
}
