/// All that the ledger knows: the totals, the ids it remembers, the calls in flight.
///
/// One batch changes all three together.
package struct LedgerState: Sendable {
    package private(set) var registry: Registry
    package private(set) var recentIDs: RecentIDs
    package private(set) var openCalls: OpenCalls

    package init(registry: Registry, recentIDs: RecentIDs, openCalls: OpenCalls = OpenCalls()) {
        self.registry = registry
        self.recentIDs = recentIDs
        self.openCalls = openCalls
    }

    /// Makes a batch, folded against this very state, part of it. Cannot fail.
    package mutating func merge(_ revision: Revision) {
        registry.merge(revision)
        // Few at a time, so that no batch waits for it.
        recentIDs.prune(now: revision.now, beside: revision.ids.count)
        for id in revision.ids { recentIDs.remember(id, now: revision.now) }
        for call in revision.closed { openCalls.close(call.id) }
        for call in revision.opened { openCalls.open(call) }
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
