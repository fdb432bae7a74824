internal import Model

/// The spans of a request, as they are read: each belongs to the resource and the scope that were begun last.
///
/// Keeps the calls, and of each other span its place above calls.
struct RequestSpans {
    private var calls: [CallSpan] = []
    private var lineage = Lineage()
    private var count = 0
    private var ignored = IgnoredNames()
    private var resource = Resource()
    let agentAttributes: AgentAttributes
    private var scope = ""
    // Numbers and names are made for a resource or a scope that has calls: others cost nothing, however many there are.
    private var origin: Origin?
    private var scopes: [String: Int] = [:]
    private var processes: [Resource.Process: Int] = [:]

    private struct Origin {
        let scope: Int
        let process: Int
        let agent: ResourceAgent
    }

    /// Owns the ids of all spans: an id is unique among all agents, and which agent a span belongs to depends on
    /// what else is in its request. No agent can have the name.
    private static let idOwner = LabelValue("_span")

    /// - Parameter agentAttributes: those by which the operator names agents.
    init(_ agentAttributes: AgentAttributes = .none) {
        self.agentAttributes = agentAttributes
    }

    mutating func begin(_ resource: Resource) {
        self.resource = resource
        origin = nil
    }

    mutating func begin(scope name: String) {
        scope = name
        origin = nil
    }

    /// - Parameter name: the span's.
    mutating func add(_ span: Span, name: BorrowedBytes) {
        defer { count += 1 }
        let kind = span.kind
        lineage.add(span, kind)
        guard kind == .call else {
            ignored.add(operation: span.attributes[.operation]?.text, name: name)
            return
        }
        let origin = self.origin ?? newOrigin()
        self.origin = origin
        calls.append(
            CallSpan(
                span, from: SpanSender(name: scope), index: count, scope: origin.scope, process: origin.process,
                resource: origin.agent))
    }

    private mutating func newOrigin() -> Origin {
        Origin(
            scope: Self.number(of: scope, in: &scopes), process: Self.number(of: resource.process, in: &processes),
            agent: resource.agent)
    }

    private static func number<Name: Hashable>(of name: Name, in known: inout [Name: Int]) -> Int {
        if let number = known[name] { return number }
        known[name] = known.count
        return known.count - 1
    }

    private func agentName(of call: CallSpan) -> String {
        if !agentAttributes.isEmpty {
            var chosen = call.chosenAgent
            chosen.add(lineage.chosenAgent(above: call))
            chosen.add(call.resource.chosen)
            if let name = chosen.name { return name }
        }
        // Claude Code copies what its resource says to its spans, and names subagents on them.
        if call.isClaudeCode, let explicit = call.resource.explicit { return explicit }
        return call.agentName ?? lineage.agentName(above: call) ?? call.resource.name
    }

    private func validAgentName(of call: CallSpan) -> LabelValue? {
        let name = agentName(of: call)
        return name.isName ? LabelValue(name) : nil
    }

    func batch(arrival: Instant) -> DecodedBatch {
        var rules = RecordRules()
        rules.begin(idempotencyKey: nil, arrival: arrival, idOwner: Self.idOwner, comparesContent: false)
        var warnings = BodyWarnings()
        var draft = RecordDraft()
        var events: [(index: Int, event: Event)] = []
        var faults: [(place: Int, fault: RecordFault)] = []
        var isRecord = [Bool](repeating: true, count: calls.count)
        events.reserveCapacity(calls.count)
        for (place, call) in calls.enumerated() {
            draft.removeAll()
            call.write(to: &draft, agentName: agentName(of: call))
            do throws(RecordFault) {
                events.append((place, try draft.event(index: call.index, by: &rules, warnings: &warnings)))
            } catch {
                isRecord[place] = false
                faults.append((place, error))
            }
        }
        let dropped = RepeatedReports(of: calls, lineage, isRecord: isRecord).dropped
        events.removeAll { dropped[$0.index] }
        for number in events.indices { events[number].index = calls[events[number].index].index }
        var rejections = RejectedRecords()
        for (place, fault) in faults where !dropped[place] {
            let call = calls[place]
            rejections.append(index: call.index, of: validAgentName(of: call), fault.code) { fault.rejection() }
        }
        let ignored = IgnoredSpans(
            otherSpans: count - calls.count, repeatedReports: dropped.count { $0 }, names: self.ignored.counts)
        return DecodedBatch(events: events, rejections: rejections, warnings: warnings, ignoredSpans: ignored)
    }
}
