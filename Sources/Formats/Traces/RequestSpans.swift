internal import Model

/// The spans of a request, as they are read: each belongs to the resource and the scope that were begun last.
///
/// Keeps the calls, and of each other span its place among them.
struct RequestSpans {
    private var calls: [CallSpan] = []
    private var links: [SpanLink] = []
    private var openedStreams = 0
    private var lineage = Lineage()
    private var count = 0
    private var ignored = IgnoredNames()
    private var resource = Resource()
    let operatorAttributes: OperatorAttributes
    private var scope = ""
    // Made for a resource or a scope that has calls: others cost nothing, however many there are.
    private var origin: Origin?

    private struct Origin {
        let scope: UInt64
        let process: UInt64
        let agent: ResourceAgent
        let kept: KeptAttributes
    }

    /// Owns the ids of all spans: an id is unique among all agents, and which agent a span belongs to depends on
    /// what else is in its request. No agent can have the name.
    private static let idOwner = LabelValue("_span")

    /// - Parameter operatorAttributes: those that the configuration names.
    init(_ operatorAttributes: OperatorAttributes = .none) {
        self.operatorAttributes = operatorAttributes
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
        lineage.add(span)
        guard kind == .call else {
            ignored.add(operation: span.attributes[.operation]?.text, name: name)
            link(span.id, parentNumber: span.parentNumber, holdsCalls: kind == .holder)
            return
        }
        let origin = self.origin ?? newOrigin()
        self.origin = origin
        let call = CallSpan(
            span, from: SpanSender(name: scope), index: count, scope: origin.scope, process: origin.process,
            resource: origin.agent, kept: origin.kept)
        if call.opensStream {
            openedStreams += 1
            link(span.id, parentNumber: span.parentNumber, holdsCalls: false)
        } else {
            calls.append(call)
        }
    }

    private mutating func link(_ id: SpanID?, parentNumber: UInt64, holdsCalls: Bool) {
        guard let id else { return }
        links.append(SpanLink(id: id, parentNumber: parentNumber, holdsCalls: holdsCalls))
    }

    private func newOrigin() -> Origin {
        func digest(_ value: some Hashable) -> UInt64 { UInt64(bitPattern: Int64(value.hashValue)) }
        return Origin(
            scope: digest(scope), process: digest(resource.process), agent: resource.agent,
            kept: resource.kept)
    }

    private func agentName(of call: CallSpan) -> String {
        if operatorAttributes.namesAgents {
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

    mutating func batch(arrival: Instant) -> DecodedBatch {
        var rules = RecordRules()
        rules.begin(idempotencyKey: nil, arrival: arrival, idOwner: Self.idOwner, comparesContent: false)
        var warnings = BodyWarnings()
        var draft = RecordDraft()
        var events: [(index: Int, event: Event)] = []
        var rejections = RejectedRecords()
        events.reserveCapacity(calls.count)
        for call in calls {
            draft.removeAll()
            call.write(to: &draft, agentName: agentName(of: call))
            do throws(RecordFault) {
                let event = try draft.event(index: call.index, by: &rules, warnings: &warnings)
                events.append((call.index, event.reported(by: call)))
            } catch {
                rejections.append(index: call.index, of: validAgentName(of: call), error.code) { error.rejection() }
                link(call.id, parentNumber: call.parentNumber, holdsCalls: false)
            }
        }
        let ignored = IgnoredSpans(
            otherSpans: count - calls.count - openedStreams, openedStreams: openedStreams, names: self.ignored.counts)
        return DecodedBatch(
            events: events, links: links, rejections: rejections, warnings: warnings, ignoredSpans: ignored)
    }
}

extension Event {
    fileprivate func reported(by call: CallSpan) -> Event {
        guard case .end(var record) = self else { return self }
        record.report = call.report
        record.keep(call.kept)
        return .end(record)
    }
}
