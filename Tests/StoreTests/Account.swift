import Model

/// The text of a label value in ASCII: texts that Swift holds to be equal differ here where their bytes do.
private func quoted(_ value: LabelValue) -> String {
    "\"" + value.text.unicodeScalars.map { $0.escaped(asASCII: true) }.joined() + "\""
}

private func text(_ tally: Tally) -> String {
    tally.entries.map { "\(quoted($0.name)) \($0.count)" }.joined(separator: ", ")
}

private func text(_ integer: Int64?) -> String { integer.map(String.init) ?? "none" }

/// SQLite has one zero; a record is never below it.
private func text(_ real: Double?) -> String { real.map { "\($0 + 0)" } ?? "none" }

private func text(_ histogram: Histogram?) -> String {
    guard let histogram else { return "none" }
    let exemplars = histogram.exemplars.enumerated().compactMap { bucket, exemplar in
        exemplar.map { " [\(bucket)] \($0.trace.id) at \($0.trace.unixMilliseconds) of \($0.microseconds) us" }
    }
    return "\(histogram.counts), \(histogram.sumMicroseconds) us" + exemplars.joined()
}

/// The totals that databases of earlier versions do not hold.
private func bill(_ totals: CallTotals) -> String {
    let parts = [
        totals.planEquivalent.map { "plan \($0)" },
        totals.unpricedCalls == 0 ? nil : "unpriced \(totals.unpricedCalls)",
        totals.webSearches == 0 ? nil : "searches \(totals.webSearches)",
    ].compactMap { $0 }
    return parts.isEmpty ? "" : "; bill " + parts.joined(separator: ", ")
}

private func text(_ instant: Instant?) -> String { instant.map { "\($0.unixMilliseconds)" } ?? "unknown" }

private func text(_ native: NativeBuckets) -> String {
    (0..<native.occupied).map { "\(native[$0].place):\(native[$0].count)" }.joined(separator: " ")
}

/// Native buckets, the time to the first token, and when series began: earlier versions store none of them.
private func times(_ totals: CallTotals) -> String {
    let later = totals.created.later.map { " \($0.part) \(text($0.instant))" }.joined()
    return "; times created \(text(totals.created.set))\(later), last seen \(text(totals.lastSeen)), latency "
        + "[\(totals.latency.map { text($0.native) } ?? "none")], first token \(text(totals.timeToFirstToken)) "
        + "[\(totals.timeToFirstToken.map { text($0.native) } ?? "none")]"
}

private func text(_ kinds: TokenKinds?) -> String {
    guard let kinds else { return "none" }
    let usual: [TokenKind] = [.input, .cacheRead, .cacheWrite, .output, .reasoning]
    let others = TokenKind.allCases.filter { !usual.contains($0) && kinds[$0] != 0 }.map { " \($0.name) \(kinds[$0])" }
    return usual.map { "\(kinds[$0])" }.joined(separator: "+") + others.joined()
}

extension LedgerState {
    /// All that a state holds, in full, for comparing whole: equal texts are equal states.
    ///
    /// - Parameters:
    ///   - ids: those to be looked for; each that is remembered is listed with its content and the moment it is
    ///     forgotten.
    ///   - now: ids whose time was over then do not count.
    func account(of ids: [Digest] = [], now: Instant = dawn) -> [String] {
        var lines = [
            "bounds \(registry.bounds.labels.joined(separator: " ")), \(registry.places) places, memory available "
                + text(registry.memoryAvailableMegabytes)
        ]
        for series in registry.calls.elements {
            let totals = series.totals
            lines.append(
                """
                call \(series.number) \(quoted(series.labels.agentName)) \(quoted(series.labels.provider)) \
                \(quoted(series.labels.model)): calls \(text(totals.calls)); tokens \(totals.tokens); \
                kinds \(text(totals.kinds)); cost \(totals.cost?.description ?? "none"); \
                usage missing \(totals.usageMissing); errors \(text(totals.errors)); \
                last \(text(totals.lastInputTokens)) \(text(totals.lastOutputTokens)); latency \(text(totals.latency))\
                \(bill(totals))\(times(totals))
                """)
        }
        for series in registry.endpoints.elements {
            lines.append(
                """
                endpoint \(series.number) \(quoted(series.labels.agentName)) \(quoted(series.labels.provider)): \
                \(text(series.latency)); times created \(text(series.created)), latency [\(text(series.latency.native))]
                """)
        }
        for series in registry.offerings.elements {
            lines.append(
                """
                offering \(series.number) \(quoted(series.labels.provider)) \(quoted(series.labels.model)): \
                \(series.unpricedCalls) unpriced; times created \(text(series.created))
                """)
        }
        for agent in registry.agents.elements {
            lines.append(
                """
                agent \(agent.number) \(quoted(agent.name)): \(agent.ownSets) sets, memory \
                \(text(agent.memoryRSSMegabytes)), active \(agent.reportsActiveCalls ? "" : "un")reported \
                \(agent.activeCalls), expired \(agent.expiredCalls); times first start \(text(agent.firstStart))
                """)
        }
        for account in budgets.elements {
            let budget = account.budget
            let labels = [budget.agentName, budget.provider, budget.model].map { $0.map(quoted) ?? "any" }
            lines.append(
                """
                budget \(account.number) \(quoted(budget.name)) of \(labels.joined(separator: " ")): \
                \(account.spent) of \(budget.limit) a \(budget.period.rawValue) since \(account.windowStart.unixMilliseconds), \
                \(account.unpricedCalls) unpriced
                """)
        }
        for call in openCalls.all.sorted(by: { $0.number < $1.number }) {
            lines.append(
                """
                open \(call.number) \(String(call.id.bits, radix: 16)) \(quoted(call.agentName)) \
                since \(call.begun.unixMilliseconds)
                """ + (call.sender == .unknown ? "" : " from \(quoted(call.sender.text))"))
        }
        // In the order in which they expire.
        lines += openCalls.begun(before: Instant(unixMilliseconds: .max)).map {
            "lease \(String($0.id.bits, radix: 16))"
        }

        var remembered = recentIDs
        remembered.pruneAll(now: now)
        for id in ids {
            guard let content = remembered.content(of: id, now: now) else { continue }
            lines.append("id \(String(id.bits, radix: 16)) \(content) until \(remembered.end(of: id, after: now))")
        }
        lines.append("\(remembered.count) ids")
        return lines
    }

    /// All that does not depend on the order of arrival, in an order of its own.
    var sums: [String] {
        func sorted(_ tally: Tally) -> String {
            tally.entries.map { "\(quoted($0.name)) \($0.count)" }.sorted().joined(separator: ", ")
        }
        func sums(_ histogram: Histogram?) -> String {
            histogram.map { "\($0.counts) \($0.sumMicroseconds) [\(text($0.native))]" } ?? "none"
        }
        var lines: [String] = []
        for series in registry.calls.elements {
            let totals = series.totals
            lines.append(
                """
                \(quoted(series.labels.agentName)) \(quoted(series.labels.provider)) \(quoted(series.labels.model)): \
                \(sorted(totals.calls)); \(totals.tokens); \(text(totals.kinds)); \
                \(totals.cost?.description ?? "none"); \(totals.usageMissing); \(sorted(totals.errors)); \
                \(sums(totals.latency)); \(sums(totals.timeToFirstToken))
                """)
        }
        for series in registry.endpoints.elements {
            lines.append(
                "\(quoted(series.labels.agentName)) \(quoted(series.labels.provider)): \(sums(series.latency))")
        }
        for series in registry.offerings.elements {
            lines.append("\(quoted(series.labels.provider)) \(quoted(series.labels.model)): \(series.unpricedCalls)")
        }
        for agent in registry.agents.elements {
            lines.append("\(quoted(agent.name)): \(agent.ownSets) \(agent.activeCalls) \(agent.reportsActiveCalls)")
        }
        for account in budgets.elements {
            lines.append("\(quoted(account.budget.name)): \(account.spent) \(account.unpricedCalls)")
        }
        return lines.sorted() + ["\(openCalls.count) open, \(recentIDs.count) ids"]
    }
}

extension RecentIDs {
    /// The millisecond from which on an id is no longer remembered.
    func end(of id: Digest, after now: Instant) -> Int64 {
        var known = now.unixMilliseconds
        var unknown = now.adding(window).unixMilliseconds
        while known + 1 < unknown {
            let middle = known + (unknown - known) / 2
            if content(of: id, now: Instant(unixMilliseconds: middle)) != nil {
                known = middle
            } else {
                unknown = middle
            }
        }
        return unknown
    }
}
