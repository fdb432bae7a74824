import Bodies
import HTTP
import Ledger
import Model

extension Service {
    /// `GET /summary`: the totals by agent and by model, for people and scripts without Prometheus.
    func summary(_ answer: Answer) {
        ledger.snapshot { [self] snapshot in
            render { answer.send(.json(200, Summary(snapshot.totals).json)) }
        }
    }
}

/// Totals of all sets, by agent and by model.
struct Summary {
    private var total = CallSums()
    private var agents = Lines()
    private var models = Lines()

    /// Sums by name, in the order of the first.
    private struct Lines {
        var names: [LabelValue] = []
        var sums: [LabelValue: CallSums] = [:]

        mutating func add(_ totals: CallTotals, to name: LabelValue) {
            if sums[name] == nil { names.append(name) }
            sums[name, default: CallSums()].add(totals)
        }

        func write(to json: inout JSONWriter) {
            json.object { json in
                for name in names {
                    json.key(name.text)
                    json.object { json in
                        sums[name]?.write(to: &json)
                        sums[name]?.writeKnowledge(to: &json)
                    }
                }
            }
        }
    }

    init(_ snapshot: Snapshot) {
        for series in snapshot.calls {
            total.add(series.totals)
            agents.add(series.totals, to: series.labels.agentName)
            models.add(series.totals, to: LabelValue("\(series.labels.provider)/\(series.labels.model)"))
        }
    }

    var json: JSONWriter {
        var json = JSONWriter()
        json.object { json in
            json.key("total_calls")
            json.number(total.calls)
            json.key("success_calls")
            json.number(total.calls - total.failedCalls)
            json.key("error_calls")
            json.number(total.failedCalls)
            json.key("total_tokens")
            json.number(total.tokens)
            json.key("total_cost_usd")
            json.number(total.picoUSD, scale: Money.scale)
            total.writeKnowledge(to: &json)
            json.key("agents")
            agents.write(to: &json)
            json.key("models")
            models.write(to: &json)
        }
        return json
    }
}

extension CallSums {
    /// Writes the members that a line of the summary and the answer to forgetting share.
    func write(to json: inout JSONWriter) {
        json.key("calls")
        json.number(calls)
        json.key("tokens")
        json.number(tokens)
        json.key("cost_usd")
        json.number(picoUSD, scale: Money.scale)
        json.key("errors")
        json.number(failedCalls)
    }
}

extension CallSums {
    /// Writes what of the cost is not known.
    fileprivate func writeKnowledge(to json: inout JSONWriter) {
        json.key("unpriced_calls")
        json.number(unpricedCalls)
        json.key("cost_known")
        json.boolean(isCostKnown)
    }
}
