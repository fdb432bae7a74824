package import Model

/// The families of budgets (docs/prices.md).
package enum BudgetFamilies {
    package static func families(_ accounts: [BudgetAccount]) -> [MetricFamily] {
        func family(_ name: String, _ help: String, _ picoUSD: (BudgetAccount) -> Int128) -> MetricFamily {
            MetricFamily(
                name: name, kind: .gauge, help: help,
                samples: accounts.map { account in
                    let labels = LabelBlock([
                        ("budget", account.budget.name), ("period", LabelValue(account.budget.period.rawValue)),
                    ])
                    return .init(labels: labels, value: .scaled(picoUSD(account), scale: Money.scale))
                })
        }
        return [
            family("llm_budget_limit_usd", "What may be spent in a period, in US dollars.") { $0.budget.limit.picoUSD },
            family("llm_budget_spent_usd", "What was spent in the present period, in US dollars.") { $0.spent.picoUSD },
            family(
                "llm_budget_remaining_usd", "What is left of the present period, in US dollars; below 0 past the limit."
            ) {
                $0.remainingPicoUSD
            },
        ]
    }
}
