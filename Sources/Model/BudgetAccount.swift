/// What was spent of one budget in its latest window: one row of the database.
package struct BudgetAccount: NumberedSeries, Equatable {
    package let number: Int64
    package internal(set) var budget: Budget
    /// When the window began that `spent` belongs to.
    package private(set) var windowStart: Instant
    package private(set) var spent: Money
    /// Calls of the window whose cost is not known: they add nothing.
    package private(set) var unpricedCalls: Int64

    package init(
        number: Int64, budget: Budget, windowStart: Instant, spent: Money = .zero, unpricedCalls: Int64 = 0
    ) {
        self.number = number
        self.budget = budget
        self.windowStart = windowStart
        self.spent = spent
        self.unpricedCalls = unpricedCalls
    }

    package var labels: LabelValue { budget.name }

    /// The account in the window of `time`: with nothing spent where that has begun since. A clock that was ahead must not
    /// keep a budget spent until that time has come, so what was spent then is spent in this window.
    package func asOf(_ time: Instant) -> BudgetAccount {
        let start = budget.period.start(of: time)
        guard start <= windowStart else { return BudgetAccount(number: number, budget: budget, windowStart: start) }
        var account = self
        account.windowStart = start
        return account
    }

    /// Adds a cost that the caller has checked the sum with; `nil` is not known.
    fileprivate mutating func add(_ cost: Money?) {
        if let cost { spent = spent + cost } else { unpricedCalls += 1 }
    }

    mutating func clear() {
        spent = .zero
        unpricedCalls = 0
    }

    package var remainingPicoUSD: Int128 { budget.limit.picoUSD - spent.picoUSD }
    package var isSpent: Bool { remainingPicoUSD <= 0 }
    /// When the present window ends.
    package var windowEnd: Instant { budget.period.end(of: windowStart) }
}

/// A budget that a batch spends of, with what it has spent.
package struct BudgetChange: Sendable {
    package private(set) var account: BudgetAccount

    init(account: BudgetAccount) {
        self.account = account
    }

    mutating func add(_ cost: Money?) { account.add(cost) }
}

extension Table<BudgetAccount> {
    /// Accounts for exactly these budgets. One that counts the same calls over the same time as before goes on with what
    /// was spent; every other begins at 0.
    package func configured(for budgets: [Budget], now: Instant) -> Table<BudgetAccount> {
        var table = Table()
        for var account in elements {
            guard let budget = budgets.first(where: { $0.continues(account.budget) }) else { continue }
            account.budget = budget
            table.put(account)
        }
        var number = nextNumber
        for budget in budgets where table.index(of: budget.name) == nil {
            table.put(BudgetAccount(number: number, budget: budget, windowStart: budget.period.start(of: now)))
            number += 1
        }
        return table
    }
}
