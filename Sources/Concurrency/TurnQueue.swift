private import Dispatch

/// Work that is done bit by bit, on a queue of its own. Clients take turns.
///
/// A client's pieces of work are done one after the other, so a client with much to do holds up its own work, and
/// others' by one turn each.
package final class TurnQueue<Work: TurnTaker>: Sendable {
    private let queue: DispatchQueue
    private let weightLimit: Int
    private let idle: @Sendable () -> Void
    private let state = Locked(State())

    private struct State {
        var clients: [UInt64: Client] = [:]
        /// Those with work, the next first.
        var order: [UInt64] = []
        /// The work that has begun weighs this.
        var weight = 0
        var isRunning = false
        /// Whether work has ended since `idle` was called.
        var hasEnded = false
    }

    private struct Client {
        /// The work that has begun.
        var current: Work?
        var isReady = false
        var isTakingTurn = false
        /// Whether `resume` was called during its turn.
        var wasResumed = false
        var others: [Work] = []
    }

    /// - Parameters:
    ///   - weightLimit: the most that work that has begun weighs together. Heavier work is begun alone.
    ///   - idle: called on the queue when all work has ended.
    package init(label: String, weightLimit: Int, idle: @escaping @Sendable () -> Void) {
        queue = DispatchQueue(label: label)
        self.weightLimit = weightLimit
        self.idle = idle
    }

    package func add(_ work: Work) {
        change { state in
            if state.clients[work.client] == nil { state.order.append(work.client) }
            state.clients[work.client, default: Client()].others.append(work)
        }
    }

    /// Gives work that waits its next turn. From any thread, also during a turn.
    package func resume(_ work: Work) {
        change { state in
            guard state.clients[work.client]?.current === work else { return }
            if state.clients[work.client]?.isTakingTurn == true {
                state.clients[work.client]?.wasResumed = true
            } else {
                state.clients[work.client]?.isReady = true
            }
        }
    }

    /// Work is done. From any thread, also during its turn.
    package func end(_ work: Work) {
        change { state in
            guard var client = state.clients[work.client], client.current === work else { return }
            client.current = nil
            client.isReady = false
            client.isTakingTurn = false
            client.wasResumed = false
            state.weight -= work.weight
            state.hasEnded = true
            guard client.others.isEmpty else {
                state.clients[work.client] = client
                return
            }
            state.clients[work.client] = nil
            state.order.removeAll { $0 == work.client }
        }
    }

    private func change(_ body: (inout State) -> Void) {
        let mustRun = state.withLock { state in
            body(&state)
            guard !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
        if mustRun { queue.async { self.run() } }
    }

    private func run() {
        while let work = state.withLock({ next(&$0) }) {
            let isReady = work.takeTurn()
            state.withLock { state in
                guard state.clients[work.client]?.current === work else { return }
                let wasResumed = state.clients[work.client]?.wasResumed == true
                state.clients[work.client]?.isReady = isReady || wasResumed
                state.clients[work.client]?.isTakingTurn = false
                state.clients[work.client]?.wasResumed = false
            }
        }
        let isIdle = state.withLock { state in
            guard state.hasEnded, state.clients.isEmpty else { return false }
            state.hasEnded = false
            return true
        }
        if isIdle { idle() }
    }

    /// The work whose turn it is. If no work is ready, the queue stops.
    private func next(_ state: inout State) -> Work? {
        // Lighter work must not pass heavier work again and again.
        var mayBegin = true
        for (place, number) in state.order.enumerated() {
            guard var client = state.clients[number] else { continue }
            if client.current == nil, mayBegin, let first = client.others.first {
                mayBegin = state.weight == 0 || state.weight + first.weight <= weightLimit
                if mayBegin {
                    client.current = client.others.removeFirst()
                    client.isReady = true
                    state.weight += first.weight
                }
            }
            guard let work = client.current, client.isReady else { continue }
            client.isReady = false
            client.isTakingTurn = true
            state.clients[number] = client
            state.order.append(state.order.remove(at: place))
            return work
        }
        state.isRunning = false
        return nil
    }
}

/// Work that is done bit by bit.
package protocol TurnTaker: AnyObject, Sendable {
    /// The client whose turns it takes.
    var client: UInt64 { get }
    /// The share of the limit that it takes from its first turn to its end.
    var weight: Int { get }

    /// Does a bit of the work.
    ///
    /// - Returns: whether it is ready for another turn; if not, it waits for `resume`.
    func takeTurn() -> Bool
}
