import Bodies
import HTTP
import Ledger
import Model

extension Service {
    /// `POST /api/v1/admin/reset`: removes all series in one commit; ids, open starts and spending stay. `budgets=true`
    /// clears the spending, too.
    func reset(_ exchange: borrowing Exchange, _ answer: Answer) {
        let clearsBudgets: Bool
        do throws(Refusal) {
            try checkAdminRoutes()
            clearsBudgets = try resetArguments(exchange)
        } catch {
            answer.send(error)
            return
        }
        ledger.reset(clearsBudgets: clearsBudgets) { [log] result in
            switch result {
            case .success:
                log.info(
                    clearsBudgets ? "Reset all series, and what was spent of budgets" : "Reset all series",
                    metadata: answer.origin)
                answer.send(Response(status: 204))
            case .failure(let refusal): answer.send(.ledger(refusal))
            }
        }
    }

    private func resetArguments(_ exchange: borrowing Exchange) throws(Refusal) -> Bool {
        let budgets = exchange.query("budgets")
        guard exchange.queryCount == (budgets == nil ? 0 : 1), [nil, "true", "false"].contains(budgets) else {
            throw .arguments("nothing was reset: the one argument is budgets=true or budgets=false")
        }
        return budgets == "true"
    }

    /// `POST /api/v1/admin/forget`: removes the series of an agent, or fewer, and frees their place.
    func forget(_ exchange: borrowing Exchange, _ answer: Answer) {
        let selection: SeriesSelection
        do throws(Refusal) {
            try checkAdminRoutes()
            selection = try forgetArguments(exchange)
        } catch {
            answer.send(error)
            return
        }
        ledger.forget(selection) { [log] result in
            let forgotten: ForgottenTotals
            switch result {
            case .success(let totals): forgotten = totals
            case .failure(let refusal):
                answer.send(.ledger(refusal))
                return
            }
            guard !forgotten.isEmpty else {
                answer.send(.nothingToForget, of: selection.agentName)
                return
            }
            var metadata = answer.origin
            metadata["series"] = "\(forgotten.series)"
            for (key, label) in [
                ("agent_name", selection.agentName), ("provider", selection.provider), ("model", selection.model),
            ] {
                if let label { metadata[key] = "\(label)" }
            }
            log.info("Forgot series", metadata: metadata)
            var json = JSONWriter()
            json.object { json in
                json.key("series")
                json.number(forgotten.series)
                forgotten.sums.write(to: &json)
            }
            answer.send(.json(200, json))
        }
    }

    private func forgetArguments(_ exchange: borrowing Exchange) throws(Refusal) -> SeriesSelection {
        guard let agentName = exchange.query("agent_name"), !agentName.isEmpty else {
            throw .arguments("name the agent: POST /api/v1/admin/forget?agent_name=NAME (percent-encoded)")
        }
        let provider = exchange.query("provider")
        let model = exchange.query("model")
        // An argument that is misspelt, repeated, without a value or not UTF-8 would widen what is forgotten.
        guard exchange.queryCount == [agentName, provider, model].count(where: { $0 != nil }) else {
            throw .arguments(
                "nothing was forgotten: the arguments are agent_name, provider and model, each once, "
                    + "with a value in UTF-8"
            )
        }
        return SeriesSelection(
            agentName: LabelValue(agentName), provider: provider.map(LabelValue.init), model: model.map(LabelValue.init)
        )
    }

    private func checkAdminRoutes() throws(Refusal) {
        if !settings.allowsAdminRoutes { throw .adminRoutesAreOff }
    }
}
