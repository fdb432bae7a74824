/// All that the ledger knows: the totals, the ids it remembers, the calls in flight, what was spent of the budgets, and
/// the reports of recent calls.
///
/// A batch changes all of them together.
package struct LedgerState: Sendable {
    package private(set) var registry: Registry
    package private(set) var recentIDs: RecentIDs
    package private(set) var openCalls: OpenCalls
    package private(set) var recentCalls: RecentCalls
    /// Those of the configuration, and removed ones whose spending is kept.
    package private(set) var budgets: Table<BudgetAccount>
    /// Indices of the budgets of one agent, and of those of all agents: most calls count for few of many.
    private var budgetIndices: [LabelValue?: [Int]] = [:]

    package init(
        registry: Registry, recentIDs: RecentIDs, openCalls: OpenCalls = OpenCalls(),
        budgets: Table<BudgetAccount> = Table(), recentCalls: RecentCalls = RecentCalls()
    ) {
        self.registry = registry
        self.recentIDs = recentIDs
        self.openCalls = openCalls
        self.budgets = budgets
        self.recentCalls = recentCalls
        indexBudgets()
    }

    private mutating func indexBudgets() {
        budgetIndices = Dictionary(grouping: budgets.indices.filter { !budgets[$0].isRemoved }) {
            budgets[$0].budget.agentName
        }
    }

    /// The budgets that a call counts for.
    func budgetIndices(of labels: SeriesLabels) -> [Int] {
        if budgetIndices.isEmpty { return [] }
        let candidates = budgetIndices[labels.agentName, default: []] + budgetIndices[nil, default: []]
        return candidates.filter { budgets[$0].budget.contains(labels) }
    }

    /// Makes a batch, folded onto this very state, part of it. Cannot fail.
    package mutating func adopt(_ batch: Batch) {
        registry.adopt(batch)
        // Few at a time, so that no batch waits for it.
        recentIDs.prune(now: batch.moment.steady, beside: batch.ids.count)
        for id in batch.ids.elements { recentIDs.remember(id, now: batch.moment.steady) }
        for call in batch.closed.elements { openCalls.close(call.id) }
        for call in batch.opened { openCalls.open(call) }
        for account in batch.accounts.elements { budgets.put(account) }
        recentCalls.adopt(batch.recent)
    }

    /// Makes what a batch knows of recent calls part of it, of a batch that changes nothing else.
    package mutating func adoptRecentCalls(of batch: Batch) {
        recentCalls.adopt(batch.recent)
    }

    /// Removes all series. Ids and open starts stay, and so does what was spent unless `clearsBudgets`.
    ///
    /// - Parameter now: the time of day.
    package mutating func reset(clearsBudgets: Bool = false, now: Instant) {
        registry.reset(now: now)
        recentCalls = RecentCalls(limit: recentCalls.limit)
        guard clearsBudgets else { return }
        for index in budgets.indices { budgets[index].clear() }
    }

    /// Keeps accounts for these budgets; removed ones keep their spending until their window ends.
    ///
    /// - Parameter now: the time of day.
    package mutating func configure(_ budgets: [Budget], now: Instant) {
        self.budgets = self.budgets.configured(for: budgets, now: now)
        indexBudgets()
    }

    package mutating func forget(_ selection: SeriesSelection) -> ForgottenTotals {
        let forgotten = registry.forget(selection)
        // A further report of a call that is gone would bring its tokens back without the call.
        if !forgotten.isEmpty { recentCalls = RecentCalls(limit: recentCalls.limit) }
        if forgotten.removesAgent { openCalls.removeAll(agentName: selection.agentName) }
        return forgotten
    }
}
