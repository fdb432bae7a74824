/// Calls that have begun and neither ended nor expired.
package struct OpenCalls: Sendable {
    /// Most calls in flight at once; a start beyond it is refused with 503.
    package static let limit = 100_000

    private var calls: [Digest: Call] = [:]
    /// Every start in order of arrival. Calls that have ended stay until they reach the front.
    private var order: [(id: Digest, begun: Instant)] = []
    private var front = 0

    private struct Call: Sendable {
        let agentName: LabelValue
        let begun: Instant
    }

    package var count: Int { calls.count }

    /// The name under which the call is counted.
    package subscript(id: Digest) -> LabelValue? { calls[id]?.agentName }

    /// Calls begun before `deadline`, the oldest first.
    package func begun(before deadline: Instant) -> [(id: Digest, agentName: LabelValue)] {
        var found: [(id: Digest, agentName: LabelValue)] = []
        for entry in order[front...] {
            guard entry.begun < deadline else { break }
            if let call = calls[entry.id], call.begun == entry.begun { found.append((entry.id, call.agentName)) }
        }
        return found
    }

    mutating func open(_ id: Digest, agentName: LabelValue, now: Instant) {
        calls[id] = Call(agentName: agentName, begun: now)
        order.append((id, now))
    }

    mutating func close(_ id: Digest) {
        calls[id] = nil
        dropEnded()
    }

    mutating func removeAll(agentName: LabelValue) {
        calls = calls.filter { $0.value.agentName != agentName }
        dropEnded()
    }

    private mutating func dropEnded() {
        while front < order.count, calls[order[front].id] == nil { front += 1 }
        // Moving the rest costs as much as was dropped, so each start is moved once on average.
        if front > order.count / 2 {
            order.removeFirst(front)
            front = 0
        }
        // A long call at the front must not let the ended ones behind it pile up.
        if order.count - front > 2 * calls.count + 1024 {
            order = order[front...].filter { calls[$0.id] != nil }
            front = 0
        }
    }
}
