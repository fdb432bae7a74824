/// Calls that have begun and neither ended nor expired.
package struct OpenCalls: Sendable {
    /// Most calls in flight at once.
    package let limit: Int

    private var calls: [Digest: OpenCall] = [:]
    /// The number of the next start.
    package private(set) var nextNumber: Int64 = 1
    private var order = StartOrder()
    private var orders: [Sender: StartOrder] = [:]

    package init(limit: Int = 100_000) {
        self.limit = limit
    }

    package var count: Int { calls.count }

    /// In any order.
    package var all: some Collection<OpenCall> { calls.values }

    package subscript(id: Digest) -> OpenCall? { calls[id] }

    /// Calls begun before `deadline`, the oldest first.
    package func begun(before deadline: Instant) -> [OpenCall] {
        Array(order.calls(in: calls).prefix { $0.begun < deadline })
    }

    /// Calls in flight by their sender.
    var countsBySender: [Sender: Int] { orders.mapValues(\.count) }

    /// A sender's calls, the oldest first.
    func oldest(of sender: Sender) -> some Sequence<OpenCall> {
        orders[sender, default: StartOrder()].calls(in: calls)
    }

    /// - Parameter call: numbered `nextNumber` or above; begun no earlier than the last.
    package mutating func open(_ call: OpenCall) {
        calls[call.id] = call
        order.append(call)
        orders[call.sender, default: StartOrder()].append(call)
        nextNumber = call.number + 1
    }

    mutating func close(_ id: Digest) {
        guard let call = calls.removeValue(forKey: id) else { return }
        order.remove(from: calls)
        orders[call.sender]?.remove(from: calls)
        if orders[call.sender]?.count == 0 { orders[call.sender] = nil }
    }

    mutating func removeAll(agentName: LabelValue) {
        for call in calls.values where call.agentName == agentName { close(call.id) }
    }
}

/// Starts in the order of their arrival. Calls that have ended stay until they reach the front.
private struct StartOrder: Sendable {
    /// Calls that are in flight.
    private(set) var count = 0
    private var entries: [(id: Digest, number: Int64)] = []
    private var front = 0

    /// Calls that are in flight, the oldest first.
    func calls(in calls: [Digest: OpenCall]) -> some Sequence<OpenCall> {
        entries[front...].lazy.compactMap { entry in calls[entry.id].flatMap { $0.number == entry.number ? $0 : nil } }
    }

    mutating func append(_ call: OpenCall) {
        entries.append((call.id, call.number))
        count += 1
    }

    /// - Parameter calls: without one that was in it.
    mutating func remove(from calls: [Digest: OpenCall]) {
        count -= 1
        func isOpen(_ entry: (id: Digest, number: Int64)) -> Bool { calls[entry.id]?.number == entry.number }
        while front < entries.count, !isOpen(entries[front]) { front += 1 }
        // Moving the rest costs as much as was dropped, so each start is moved once on average.
        if front > entries.count / 2 {
            entries.removeFirst(front)
            front = 0
        }
        // A long call at the front must not let the ended ones behind it pile up.
        if entries.count - front > 2 * count + 16 {
            entries = entries[front...].filter(isOpen)
            front = 0
        }
    }
}
