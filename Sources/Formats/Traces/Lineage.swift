/// The spans of a request by their ids, to find those above a call.
struct Lineage {
    private var spans: [SpanID: Ancestor] = [:]

    private struct Ancestor {
        let parentNumber: UInt64
        let agentName: String?
        let chosenAgent: ChosenAgent
        let holdsCalls: Bool
    }

    /// Most spans between a call and one above it: bounds the work for hostile bodies.
    static let limit = 64

    mutating func add(_ span: Span, _ kind: SpanKind) {
        guard let id = span.id, spans[id] == nil else { return }
        spans[id] = Ancestor(
            parentNumber: span.parentNumber, agentName: span.agentName,
            chosenAgent: span.chosenAgent, holdsCalls: kind == .holder)
    }

    /// The name that the nearest ancestor has.
    func agentName(above call: CallSpan) -> String? {
        var name: String?
        forEach(above: call) { ancestor in
            name = ancestor.agentName
            return name == nil
        }
        return name
    }

    /// What the operator's attributes say on the spans above it.
    func chosenAgent(above call: CallSpan) -> ChosenAgent {
        var chosen = ChosenAgent()
        forEach(above: call) { ancestor in
            chosen.add(ancestor.chosenAgent)
            return true
        }
        return chosen
    }

    /// Visits the ancestors, the nearest first, while `body` returns `true`.
    private func forEach(above call: CallSpan, _ body: (Ancestor) -> Bool) {
        var next = call.parent
        for _ in 0..<Self.limit {
            guard let id = next, let ancestor = spans[id], body(ancestor) else { return }
            next = SpanID(trace: id.trace, span: ancestor.parentNumber)
        }
    }

    /// The nearest ancestor for which `place` has a place; none beyond an agent, a workflow or a tool, which make calls
    /// of their own.
    func nearest(above call: CallSpan, place: (SpanID) -> Int?) -> Int? {
        var next = call.parent
        for _ in 0..<Self.limit {
            guard let id = next, id != call.id else { return nil }
            if let place = place(id) { return place }
            guard let ancestor = spans[id], !ancestor.holdsCalls else { return nil }
            next = SpanID(trace: id.trace, span: ancestor.parentNumber)
        }
        return nil
    }
}
