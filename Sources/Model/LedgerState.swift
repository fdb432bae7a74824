/// All that the ledger knows: the totals, the ids it remembers, the calls in flight.
///
/// One batch changes all three together.
package struct LedgerState: Sendable {
    package private(set) var registry: Registry
    package private(set) var recentIDs: RecentIDs
    package private(set) var openCalls = OpenCalls()

    package init(registry: Registry, recentIDs: RecentIDs) {
        self.registry = registry
        self.recentIDs = recentIDs
    }

    /// Makes a batch, folded against this very state, part of it. Cannot fail.
    package mutating func merge(_ delta: Delta, now: Instant) {
        registry.merge(delta)
        // Few at a time, so that no batch waits for it.
        recentIDs.prune(now: now, beside: delta.ids.entries.count)
        for id in delta.ids.entries { recentIDs.remember(id.key, content: id.value, now: now) }
        for call in delta.closed { openCalls.close(call) }
        for (call, agentName) in delta.opened { openCalls.open(call, agentName: agentName, now: now) }
    }

    /// Removes all series; ids and open starts stay.
    package mutating func reset() {
        registry.reset()
    }

    package mutating func forget(_ selection: SeriesSelection) -> ForgottenTotals {
        let forgotten = registry.forget(selection)
        if forgotten.removesAgent { openCalls.removeAll(agentName: selection.agentName) }
        return forgotten
    }
}
