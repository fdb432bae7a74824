import Bodies
import HTTP
import Ledger
import Model

extension Service {
    /// `POST /api/v1/admin/reset`: all series go, in one commit; ids, open starts and spending stay. `budgets=true` clears
    /// the spending, too.
    func reset(_ request: borrowing Request, _ reply: Reply) {
        guard allowsAdmin(reply) else { return }
        let budgets = request.query("budgets")
        guard request.queryCount == (budgets == nil ? 0 : 1), [nil, "true", "false"].contains(budgets) else {
            reply.send(
                Problem(status: 400, detail: "nothing was reset: the one argument is budgets=true or budgets=false"))
            return
        }
        let clearsBudgets = budgets == "true"
        ledger.reset(clearsBudgets: clearsBudgets) { [log] result in
            switch result {
            case .success:
                log.info(clearsBudgets ? "Reset all series, and what was spent of budgets" : "Reset all series")
                reply.send(Response(status: 204))
            case .failure(let refusal): reply.send(refusal)
            }
        }
    }

    /// `POST /api/v1/admin/forget`: the series of an agent, or fewer, go, and their place is free again.
    func forget(_ request: borrowing Request, _ reply: Reply) {
        guard allowsAdmin(reply) else { return }
        guard let agentName = request.query("agent_name"), !agentName.isEmpty else {
            reply.send(
                Problem(
                    status: 400, detail: "name the agent: POST /api/v1/admin/forget?agent_name=NAME (percent-encoded)"))
            return
        }
        let provider = request.query("provider")
        let model = request.query("model")
        // An argument that is misspelt, repeated, without a value or not UTF-8 would widen what is forgotten for ever.
        guard request.queryCount == [agentName, provider, model].count(where: { $0 != nil }) else {
            reply.send(
                Problem(
                    status: 400,
                    detail:
                        "nothing was forgotten: the arguments are agent_name, provider and model, each once, with a "
                        + "value in UTF-8"))
            return
        }
        let selection = SeriesSelection(
            agentName: LabelValue(agentName), provider: provider.map(LabelValue.init), model: model.map(LabelValue.init)
        )
        ledger.forget(selection) { [log] result in
            let forgotten: ForgottenTotals
            switch result {
            case .success(let totals): forgotten = totals
            case .failure(let refusal):
                reply.send(refusal)
                return
            }
            guard !forgotten.isEmpty else {
                reply.send(
                    Problem(status: 404, detail: "no series has these labels; GET /summary lists agents and models"))
                return
            }
            log.info("Forgot series", metadata: ["series": "\(forgotten.series)"])
            var json = JSONWriter()
            json.object { json in
                json.key("series")
                json.number(forgotten.series)
                forgotten.sums.write(to: &json)
            }
            reply.send(.json(200, json))
        }
    }

    private func allowsAdmin(_ reply: Reply) -> Bool {
        if settings.allowsAdminRoutes { return true }
        reply.send(
            Problem(status: 403, detail: "the admin routes are off; start the exporter with --web.enable-admin-api"))
        return false
    }
}
