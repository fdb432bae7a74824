@testable import Model

let dawn = Instant(unixMilliseconds: 1_700_000_000_000)

extension LabelValue: ExpressibleByStringLiteral {
    /// The text as it is written.
    public init(stringLiteral value: String) { self.init(value) }
}

extension SeriesLabels {
    init(_ agentName: LabelValue, _ provider: LabelValue = "openai", _ model: LabelValue = "gpt-4o-mini") {
        self.init(agentName: agentName, provider: provider, model: model)
    }
}

extension RecordID {
    static func example(_ number: UInt128, content: UInt64 = 1) -> RecordID {
        // Spread over all parts of the look-up table.
        RecordID(call: Digest(bits: number &* 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835), content: content)
    }
}

extension Event {
    static func started(_ agentName: LabelValue, _ id: RecordID) -> Event {
        .start(CallStart(agentName: agentName, id: id))
    }
}

extension LedgerState {
    static func example(
        maxSeries: Int = 10_000, window: Duration = .seconds(86_400), maxIDs: Int = 1_000_000,
        openCalls: OpenCalls = OpenCalls()
    ) -> LedgerState {
        LedgerState(
            registry: Registry(maxSeries: maxSeries), recentIDs: RecentIDs(window: window, maxIDs: maxIDs),
            openCalls: openCalls)
    }

    func batch(now: Instant = dawn) -> Batch { Batch(onto: self, at: Moment(now)) }

    /// Folds a batch and adopts it; rejected events are left out, as the ledger does it.
    @discardableResult
    mutating func take(_ events: [Event], now: Instant = dawn) -> [Batch.Folded?] {
        var batch = batch(now: now)
        let outcomes = events.map { try? batch.fold($0, onto: self) }
        adopt(batch)
        return outcomes
    }

    @discardableResult
    mutating func take(_ records: CallRecord..., now: Instant = dawn) -> [Batch.Folded?] {
        take(records.map(Event.end), now: now)
    }

    mutating func expire(begunBefore deadline: Instant) {
        var batch = batch(now: deadline)
        batch.expireCalls(begunBefore: deadline, onto: self)
        adopt(batch)
    }

    func active(_ agentName: LabelValue) -> Int64? { registry.agents[agentName]?.activeCalls }

    func totals(_ labels: SeriesLabels) -> CallTotals? { registry.calls[labels]?.totals }

    /// All of the state but the look-up tables and the numbers of open calls, in full.
    var account: [String] {
        [
            "\(Array(registry.agents.elements))", "\(Array(registry.calls.elements))",
            "\(Array(registry.endpoints.elements))", "\(Array(registry.offerings.elements))",
            "\(Array(budgets.elements))", "\(String(describing: registry.memoryAvailableMegabytes))",
            "\(registry.places) places, \(recentIDs.count) ids",
            "\(openCalls.all.sorted { $0.number < $1.number }.map { "\($0.id) \($0.agentName) \($0.begun)" })",
        ]
    }

    /// All that does not depend on the order of arrival, in an order of its own.
    var sums: [String] {
        var lines: [String] = []
        func counts(_ tally: Tally) -> String {
            tally.entries.map { "\($0.name)=\($0.count)" }.sorted().joined(separator: " ")
        }
        func sums(_ histogram: Histogram?) -> String {
            histogram.map { "\($0.counts) \($0.sumMicroseconds) \($0.native)" } ?? "none"
        }
        for series in registry.calls.elements {
            let totals = series.totals
            lines.append(
                """
                \(series.labels) \(counts(totals.calls)) \(totals.tokens) \(String(describing: totals.kinds)) \
                \(String(describing: totals.cost)) \(totals.usageMissing) \(counts(totals.errors)) \
                \(sums(totals.latency)) \(sums(totals.timeToFirstToken))
                """)
        }
        for series in registry.endpoints.elements {
            lines.append("\(series.labels) \(sums(series.latency))")
        }
        for series in registry.offerings.elements { lines.append("\(series.labels) \(series.unpricedCalls)") }
        for agent in registry.agents.elements {
            lines.append("\(agent.name) \(agent.ownSets) \(agent.activeCalls) \(agent.reportsActiveCalls)")
        }
        lines.append("\(registry.places) places, \(openCalls.count) open, \(recentIDs.count) ids")
        return lines.sorted()
    }
}
