/// What a batch makes of the state: each series touched with its new totals, the ids to remember, the calls that began and
/// ended.
///
/// The store writes these very values and memory then shows them, so the two cannot differ.
package struct Revision: Sendable {
    package let now: Instant
    /// What the time of day is ahead of `now`, which never steps: what is stored is told by the time of day, as the next start
    /// has no other.
    package let skew: Duration
    package private(set) var agents: [AgentSeries] = []
    package private(set) var calls: [CallSeries] = []
    package private(set) var endpoints: [EndpointSeries] = []
    package private(set) var offerings: [OfferingSeries] = []
    package private(set) var budgets: [BudgetAccount] = []
    package let memoryAvailableMegabytes: Double?
    package private(set) var ids: [RememberedID] = []
    /// Ids that are remembered already: the last so many that earlier batches added.
    package let rememberedIDs: Int
    package private(set) var opened: [OpenCall] = []
    package private(set) var closed: [OpenCall] = []
    let placesTaken: Int

    /// - Parameters:
    ///   - delta: folded against `state`.
    ///   - now: the time of the batch.
    package init(of delta: Delta, onto state: LedgerState, now: Instant) {
        self.now = now
        skew = delta.skew
        let registry = state.registry
        var numbers = Numbers(registry)
        memoryAvailableMegabytes = delta.memoryAvailableMegabytes ?? registry.memoryAvailableMegabytes
        placesTaken = delta.placesTaken
        rememberedIDs = state.recentIDs.count

        for touched in delta.agents.entries {
            var series = registry.agents[touched.key] ?? AgentSeries(number: numbers.agents.next(), name: touched.key)
            series.merge(touched.value)
            agents.append(series)
        }
        for touched in delta.calls.entries {
            var series = registry.calls[touched.key] ?? CallSeries(number: numbers.calls.next(), labels: touched.key)
            series.totals.merge(touched.value)
            calls.append(series)
        }
        for touched in delta.endpoints.entries {
            var series =
                registry.endpoints[touched.key]
                ?? EndpointSeries(
                    number: numbers.endpoints.next(), labels: touched.key, latency: Histogram(bounds: registry.bounds))
            series.latency.merge(touched.value)
            endpoints.append(series)
        }
        for touched in delta.offerings.entries {
            var series =
                registry.offerings[touched.key]
                ?? OfferingSeries(number: numbers.offerings.next(), labels: touched.key)
            series.unpricedCalls += touched.value
            offerings.append(series)
        }
        budgets = delta.accounts
        ids = delta.ids.entries.map { RememberedID(key: $0.key, content: $0.value) }
        opened = delta.opened.values.sorted { $0.number < $1.number }
        closed = delta.closed.compactMap { state.openCalls[$0] }
    }

    /// Numbers of the series that are born in this batch.
    private struct Numbers {
        var agents: Counter
        var calls: Counter
        var endpoints: Counter
        var offerings: Counter

        init(_ registry: Registry) {
            agents = Counter(upcoming: registry.agents.nextNumber)
            calls = Counter(upcoming: registry.calls.nextNumber)
            endpoints = Counter(upcoming: registry.endpoints.nextNumber)
            offerings = Counter(upcoming: registry.offerings.nextNumber)
        }
    }

    private struct Counter {
        var upcoming: Int64

        mutating func next() -> Int64 {
            defer { upcoming += 1 }
            return upcoming
        }
    }
}
