package import Model

/// The totals for one scrape, with the ledger's own figures.
package struct LedgerSnapshot: Sendable {
    package let totals: Snapshot
    package let places: Int
    package let maxSeries: Int
    package let rememberedIDs: Int
    package let idWindow: Duration
    package let openCalls: Int
    /// As of the snapshot's time of day: a window that has just begun has nothing spent.
    package let budgets: [BudgetAccount]

    init(_ state: LedgerState, at moment: Moment) {
        budgets = state.budgets.elements.filter { !$0.isRemoved }.map { $0.turned(to: moment.timeOfDay) }
        totals = state.registry.snapshot
        places = state.registry.places
        maxSeries = state.registry.maxSeries
        rememberedIDs = state.recentIDs.count
        idWindow = state.recentIDs.effectiveWindow(now: moment.steady)
        openCalls = state.openCalls.count
    }
}
