import Bodies
import HTTP
import Ledger
import Model

extension Service {
    /// `GET /api/v1/budgets`: what was spent of each.
    func budgets(_ answer: Answer) {
        ledger.snapshot { snapshot in
            var json = JSONWriter()
            json.object { json in
                json.key("budgets")
                json.array { json in
                    for account in snapshot.budgets { json.object { json in account.write(to: &json) } }
                }
            }
            answer.send(.json(200, json))
        }
    }

    /// `GET /api/v1/budgets/NAME`: 200 while money is left, 402 when it is spent, so that an agent can stop itself.
    func budget(_ exchange: borrowing Exchange, _ answer: Answer) {
        let name = LabelValue(Routes.name(in: exchange.path, of: routes[exchange.tag]))
        ledger.snapshot { snapshot in
            guard let account = snapshot.budgets.first(where: { $0.budget.name == name }) else {
                answer.send(.noSuchBudget)
                return
            }
            if account.isSpent {
                answer.send(.spent(account))
                return
            }
            var json = JSONWriter()
            json.object { json in account.write(to: &json) }
            answer.send(.json(200, json))
        }
    }
}

extension BudgetAccount {
    /// Writes the members that lists, answers and problems share.
    func write(to json: inout JSONWriter) {
        json.key("name")
        json.string(budget.name.text)
        for (key, label) in [("agent_name", budget.agentName), ("provider", budget.provider), ("model", budget.model)] {
            guard let label else { continue }
            json.key(key)
            json.string(label.text)
        }
        json.key("period")
        json.string(budget.period.rawValue)
        for (key, picoUSD) in [
            ("limit_usd", budget.limit.picoUSD), ("spent_usd", spent.picoUSD), ("remaining_usd", remainingPicoUSD),
        ] {
            json.key(key)
            json.number(picoUSD, scale: Money.scale)
        }
        json.key("unpriced_calls")
        json.number(unpricedCalls)
        json.key("resets_at")
        json.string(windowEnd.rfc3339Seconds)
    }
}
