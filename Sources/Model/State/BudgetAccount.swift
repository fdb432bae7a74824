/// The spending of one budget in its latest window: one row of the database.
package struct BudgetAccount: NumberedSeries, Equatable {
    package let number: Int64
    package fileprivate(set) var budget: Budget
    /// Whether the configuration has the budget no longer. It counts no calls and is not shown, but its spending stays
    /// until the window ends: a budget that comes back, say after a faulty edit, goes on where it was.
    package fileprivate(set) var isRemoved = false
    /// When the window began that `spent` belongs to.
    package let windowStart: Instant
    package private(set) var spent: Money
    /// Calls of the window whose cost is unknown: they add nothing.
    package private(set) var unpricedCalls: Int64
    /// When the window began in which the account was last read: before `windowStart` if the clock was set back. Not
    /// stored.
    private var lastWindowStart: Instant

    package init(
        number: Int64, budget: Budget, windowStart: Instant, spent: Money = .zero, unpricedCalls: Int64 = 0
    ) {
        self.number = number
        self.budget = budget
        self.windowStart = windowStart
        self.spent = spent
        self.unpricedCalls = unpricedCalls
        lastWindowStart = windowStart
    }

    package var key: LabelValue { budget.name }

    /// The account in the window of `time`: with nothing spent if that window has begun since.
    ///
    /// If the clock steps back, the current window stays, and what was spent is kept. If the clock had jumped far
    /// ahead, the next real window that begins behind it replaces it.
    package func turned(to time: Instant) -> BudgetAccount {
        let start = budget.period.start(of: time)
        let isNew = start > windowStart || (lastWindowStart < start && start < windowStart)
        guard !isNew else { return BudgetAccount(number: number, budget: budget, windowStart: start) }
        var account = self
        account.lastWindowStart = start
        return account
    }

    /// The spending with one more call.
    ///
    /// - Throws: `total_overflow`.
    func spent(with cost: Money) throws(RecordRejection) -> Money {
        guard let sum = spent.adding(cost) else {
            throw .overflow(of: "llm_budget_spent_usd", field: "cost_usd")
        }
        return sum
    }

    /// - Parameter sum: from `spent(with:)`.
    mutating func spend(to sum: Money) {
        spent = sum
    }

    mutating func addUnpricedCall() {
        unpricedCalls += 1
    }

    mutating func clear() {
        spent = .zero
        unpricedCalls = 0
    }

    /// Whether anything was counted in the window of `time`.
    fileprivate func hasSpending(at time: Instant) -> Bool {
        let account = turned(to: time)
        return account.spent > .zero || account.unpricedCalls > 0
    }

    package var remainingPicoUSD: Int128 { budget.limit.picoUSD - spent.picoUSD }
    package var isSpent: Bool { remainingPicoUSD <= 0 }
    /// When the present window ends.
    package var windowEnd: Instant { budget.period.end(of: lastWindowStart) }
}

extension Table<BudgetAccount> {
    /// Most removed budgets that are kept; of more, the newest.
    private static var removedLimit: Int { 1000 }

    /// Accounts for these budgets, and the removed ones that have spent something in their present window. A budget
    /// that counts the same calls over the same time as before keeps what was spent; every other begins at 0.
    package func configured(for budgets: [Budget], now: Instant) -> Table<BudgetAccount> {
        let wanted = Dictionary(budgets.map { ($0.name, $0) }) { first, _ in first }
        let kept = elements.compactMap { account -> BudgetAccount? in
            var account = account
            account.isRemoved = wanted[account.budget.name] == nil
            if account.isRemoved { return account.hasSpending(at: now) ? account : nil }
            guard let budget = wanted[account.budget.name], budget.continues(account.budget) else { return nil }
            account.budget = budget
            return account
        }
        var excess = kept.count(where: \.isRemoved) - Self.removedLimit
        var table = Table()
        for account in kept {
            if account.isRemoved, excess > 0 {
                excess -= 1
            } else {
                table.put(account)
            }
        }
        var number = nextNumber
        for budget in budgets where table.index(of: budget.name) == nil {
            table.put(BudgetAccount(number: number, budget: budget, windowStart: budget.period.start(of: now)))
            number += 1
        }
        return table
    }
}
