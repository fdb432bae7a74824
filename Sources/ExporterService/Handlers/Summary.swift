import Model

extension Service {
    /// `GET /summary`: the totals by agent and by model, for people and scripts without Prometheus.
    func summary(_ reply: Reply) {
        ledger.snapshot { [self] snapshot in
            render { reply.send(.json(200, Summary(snapshot.totals).json)) }
        }
    }
}

/// Totals over sets. 128 bits: a sum over sets may pass what one set may hold.
struct Summary {
    private var total = Line()
    private var agents = TouchedLines()
    private var models = TouchedLines()

    private struct Line {
        var calls: Int128 = 0
        var errors: Int128 = 0
        var tokens: Int128 = 0
        var picoUSD: Int128 = 0

        mutating func add(_ totals: CallTotals) {
            calls += Int128(totals.calls.total)
            errors += Int128(totals.failedCalls)
            tokens += Int128(totals.tokens)
            picoUSD += totals.cost?.picoUSD ?? 0
        }

        func write(to json: inout JSONText) {
            json.object { json in
                json.key("calls")
                json.number(calls)
                json.key("tokens")
                json.number(tokens)
                json.key("cost_usd")
                json.number(picoUSD, scale: Money.scale)
                json.key("errors")
                json.number(errors)
            }
        }
    }

    /// Lines by name, in the order of the first.
    private struct TouchedLines {
        var names: [LabelValue] = []
        var lines: [LabelValue: Line] = [:]

        mutating func add(_ totals: CallTotals, to name: LabelValue) {
            if lines[name] == nil { names.append(name) }
            lines[name, default: Line()].add(totals)
        }

        func write(to json: inout JSONText) {
            json.object { json in
                for name in names {
                    json.key(name.text)
                    lines[name]?.write(to: &json)
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

    var json: JSONText {
        var json = JSONText()
        json.object { json in
            json.key("total_calls")
            json.number(total.calls)
            json.key("success_calls")
            json.number(total.calls - total.errors)
            json.key("error_calls")
            json.number(total.errors)
            json.key("total_tokens")
            json.number(total.tokens)
            json.key("total_cost_usd")
            json.number(total.picoUSD, scale: Money.scale)
            json.key("agents")
            agents.write(to: &json)
            json.key("models")
            models.write(to: &json)
        }
        return json
    }
}
