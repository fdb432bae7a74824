package import Model

/// The totals for one scrape, with what the ledger knows of itself.
package struct LedgerSnapshot: Sendable {
    package let totals: Snapshot
    package let places: Int
    package let maxSeries: Int
    package let rememberedIDs: Int
    package let idWindow: Duration
    package let openCalls: Int
    /// As of the snapshot's time of day: nothing is spent of a window that has just begun.
    package let budgets: [BudgetAccount]

    init(_ state: LedgerState, now: Instant, timeOfDay: Instant) {
        budgets = state.budgets.elements.map { $0.turned(to: timeOfDay) }
        totals = state.registry.snapshot
        places = state.registry.places
        maxSeries = state.registry.maxSeries
        rememberedIDs = state.recentIDs.count
        idWindow = state.recentIDs.effectiveWindow(now: now)
        openCalls = state.openCalls.count
    }
}
