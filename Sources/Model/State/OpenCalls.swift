/// Calls that have begun and neither ended nor expired.
package struct OpenCalls: Sendable {
    /// Most calls in flight at once; a start beyond it is refused with 503.
    package static let limit = 100_000

    private var calls: [Digest: OpenCall] = [:]
    /// The number of the next start.
    package private(set) var nextNumber: Int64 = 1
    /// Every start in order of arrival. Calls that have ended stay until they reach the front.
    private var order: [(id: Digest, begun: Instant)] = []
    private var front = 0

    package init() {}

    package var count: Int { calls.count }

    /// In any order.
    package var all: some Collection<OpenCall> { calls.values }

    package subscript(id: Digest) -> OpenCall? { calls[id] }

    /// Calls begun before `deadline`, the oldest first.
    package func begun(before deadline: Instant) -> [OpenCall] {
        var found: [OpenCall] = []
        for entry in order[front...] {
            guard entry.begun < deadline else { break }
            if let call = calls[entry.id], call.begun == entry.begun { found.append(call) }
        }
        return found
    }

    /// - Parameter call: numbered `nextNumber` or above; begun no earlier than the last.
    package mutating func open(_ call: OpenCall) {
        calls[call.id] = call
        order.append((call.id, call.begun))
        nextNumber = call.number + 1
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
