internal import Model

/// The spans of a request by their ids, to find the agents that those above a call name.
struct Lineage {
    private var spans: [SpanID: Ancestor] = [:]

    private struct Ancestor {
        let parentNumber: UInt64
        let agentName: String?
        let chosenAgent: ChosenAgent
    }

    /// Most spans between a call and one above it: bounds the work for hostile bodies.
    private static let limit = 64

    mutating func add(_ span: Span) {
        guard let id = span.id, spans[id] == nil else { return }
        spans[id] = Ancestor(
            parentNumber: span.parentNumber, agentName: span.agentName, chosenAgent: span.chosenAgent)
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
}
