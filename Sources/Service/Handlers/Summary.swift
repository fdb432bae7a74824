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
    private var total = Line()
    private var agents = Lines()
    private var models = Lines()

    /// The totals of some sets.
    private struct Line {
        var sums = CallSums()
        var lastSeen: Instant?
        var latency = NativeBuckets()
        var timeToFirstToken = NativeBuckets()
        /// `nil` for anything but an agent.
        var activeCalls: Int64?

        mutating func add(_ totals: CallTotals) {
            sums.add(totals)
            if let seen = totals.lastSeen { lastSeen = max(lastSeen ?? seen, seen) }
            if let latency = totals.latency { self.latency.add(latency.native) }
            if let time = totals.timeToFirstToken { timeToFirstToken.add(time.native) }
        }

        /// Writes the members that are beside the totals.
        func writeRest(to json: inout JSONWriter) {
            json.key("unpriced_calls")
            json.number(sums.unpricedCalls)
            json.key("cost_known")
            json.boolean(sums.isCostKnown)
            json.key("last_seen")
            if let lastSeen { json.string(lastSeen.rfc3339Milliseconds) } else { json.null() }
            json.key("latency_seconds")
            Self.write(latency, to: &json)
            json.key("ttft_seconds")
            Self.write(timeToFirstToken, to: &json)
            guard let activeCalls else { return }
            json.key("active_calls")
            json.number(activeCalls)
        }

        private static func write(_ buckets: NativeBuckets, to json: inout JSONWriter) {
            json.object { json in
                for percent in [50, 95, 99] as [Int64] {
                    json.key("p\(percent)")
                    if let microseconds = buckets.quantile(percent: percent) {
                        json.number(Int128(microseconds), scale: 6)
                    } else {
                        json.null()
                    }
                }
            }
        }
    }

    /// Lines by name, in the order of the first.
    private struct Lines {
        var names: [LabelValue] = []
        private var lines: [LabelValue: Line] = [:]

        subscript(name: LabelValue) -> Line {
            get { lines[name] ?? Line() }
            _modify {
                if lines[name] == nil { names.append(name) }
                yield &lines[name, default: Line()]
            }
        }

        func contains(_ name: LabelValue) -> Bool { lines[name] != nil }

        func write(to json: inout JSONWriter) {
            json.object { json in
                for name in names {
                    json.key(name.text)
                    json.object { json in
                        self[name].sums.write(to: &json)
                        self[name].writeRest(to: &json)
                    }
                }
            }
        }
    }

    init(_ snapshot: Snapshot) {
        for series in snapshot.calls {
            total.add(series.totals)
            agents[series.labels.agentName].add(series.totals)
            models[LabelValue("\(series.labels.provider)/\(series.labels.model)")].add(series.totals)
        }
        // An agent in its first call has no totals yet.
        for agent in snapshot.agents where agents.contains(agent.name) || agent.activeCalls > 0 {
            agents[agent.name].activeCalls = agent.activeCalls
        }
    }

    var json: JSONWriter {
        var json = JSONWriter()
        json.object { json in
            json.key("total_calls")
            json.number(total.sums.calls)
            json.key("success_calls")
            json.number(total.sums.calls - total.sums.failedCalls)
            json.key("error_calls")
            json.number(total.sums.failedCalls)
            json.key("total_tokens")
            json.number(total.sums.tokens)
            json.key("total_cost_usd")
            json.number(total.sums.picoUSD, scale: Money.scale)
            total.writeRest(to: &json)
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
