/// All series and their totals, as of the last merged batch.
///
/// Read by `Delta` while it folds; changed by `merge`, `reset` and `forget` alone.
package struct Registry: Sendable {
    package let bounds: HistogramBounds
    /// Distinct (agent_name, provider, model) sets beyond which new ones are folded.
    package let maxSeries: Int

    package private(set) var calls = Table<CallSeries>()
    package private(set) var endpoints = Table<EndpointSeries>()
    package private(set) var offerings = Table<OfferingSeries>()
    package private(set) var agents = Table<AgentSeries>()
    package private(set) var memoryAvailableMegabytes: Double?
    /// Places taken of `maxSeries`: one for each set that is not folded, and one for each agent without such a set.
    package private(set) var places = 0

    package init(bounds: HistogramBounds = .standard, maxSeries: Int = 10_000) {
        self.bounds = bounds
        self.maxSeries = maxSeries
    }

    /// A registry as it was stored.
    ///
    /// - Parameters: each in the order of their numbers.
    ///   - activeCalls: the calls in flight of each agent.
    package init(
        bounds: HistogramBounds, maxSeries: Int, calls: [CallSeries], endpoints: [EndpointSeries],
        offerings: [OfferingSeries], agents: [AgentSeries], activeCalls: [LabelValue: Int64],
        memoryAvailableMegabytes: Double?
    ) {
        self.init(bounds: bounds, maxSeries: maxSeries)
        for series in calls { self.calls.put(series) }
        for series in endpoints { self.endpoints.put(series) }
        for series in offerings { self.offerings.put(series) }
        let ownSets = ownSets
        for var agent in agents {
            agent.ownSets = ownSets[agent.name] ?? 0
            agent.activeCalls = activeCalls[agent.name] ?? 0
            self.agents.put(agent)
        }
        self.memoryAvailableMegabytes = memoryAvailableMegabytes
        places = takenPlaces
    }

    /// Makes a batch part of the totals. Cannot fail: `Delta` has checked all bounds, against this very registry.
    package mutating func merge(_ revision: Revision) {
        for series in revision.agents { agents.put(series) }
        for series in revision.calls { calls.put(series) }
        for series in revision.endpoints { endpoints.put(series) }
        for series in revision.offerings { offerings.put(series) }
        memoryAvailableMegabytes = revision.memoryAvailableMegabytes
        places += revision.placesTaken
    }

    /// Removes all series but the `llm_active_calls` of agents with calls in flight, whose open starts stay.
    package mutating func reset() {
        let inFlight = agents.elements.filter { $0.activeCalls > 0 }
        self = Registry(bounds: bounds, maxSeries: maxSeries)
        for agent in inFlight {
            var kept = AgentSeries(number: agents.nextNumber, name: agent.name)
            kept.merge(AgentChange(activeCalls: agent.activeCalls))
            agents.put(kept)
        }
        places = takenPlaces
    }

    /// Removes the series that `selection` names, and of the families with fewer labels those that no set is left for.
    package mutating func forget(_ selection: SeriesSelection) -> ForgottenTotals {
        var forgotten = ForgottenTotals()
        let removed = calls.removeAll { selection.contains($0.labels) }
        for series in removed { forgotten.add(series.totals) }

        var endpointsLeft: Set<EndpointLabels> = []
        var offeringsLeft: Set<OfferingLabels> = []
        var agentsLeft: Set<LabelValue> = []
        for series in calls.elements {
            endpointsLeft.insert(series.labels.endpoint)
            offeringsLeft.insert(series.labels.offering)
            agentsLeft.insert(series.labels.agentName)
        }
        endpoints.removeAll { $0.labels.agentName == selection.agentName && !endpointsLeft.contains($0.labels) }
        let offeringsRemoved = Set(removed.map(\.labels.offering))
        offerings.removeAll { offeringsRemoved.contains($0.labels) && !offeringsLeft.contains($0.labels) }
        let isWholeAgent = selection.provider == nil && selection.model == nil
        let agentsRemoved = agents.removeAll {
            $0.name == selection.agentName && !agentsLeft.contains($0.name)
                && (isWholeAgent || (!removed.isEmpty && $0.activeCalls == 0))
        }
        forgotten.removesAgent = !agentsRemoved.isEmpty
        for index in agents.indices where agents[index].name == selection.agentName {
            agents[index].ownSets = ownSets[selection.agentName] ?? 0
        }
        places = takenPlaces
        return forgotten
    }

    /// Sets that are not folded, by agent.
    private var ownSets: [LabelValue: Int] {
        calls.elements.reduce(into: [:]) { $0[$1.labels.agentName, default: 0] += $1.labels.isFolded ? 0 : 1 }
    }

    private var takenPlaces: Int {
        agents.elements.reduce(0) { $0 + $1.places }
    }
}

/// Which series to forget: those of one agent, or fewer.
package struct SeriesSelection: Sendable {
    package let agentName: LabelValue
    package let provider: LabelValue?
    package let model: LabelValue?

    package init(agentName: LabelValue, provider: LabelValue? = nil, model: LabelValue? = nil) {
        self.agentName = agentName
        self.provider = provider
        self.model = model
    }

    func contains(_ labels: SeriesLabels) -> Bool {
        labels.agentName == agentName && (provider ?? labels.provider) == labels.provider
            && (model ?? labels.model) == labels.model
    }
}

/// What forgetting took out of the totals.
package struct ForgottenTotals: Sendable {
    /// Sets that were removed.
    package private(set) var series = 0
    package private(set) var sums = CallSums()
    /// Whether nothing is left of the agent, its calls in flight included.
    package internal(set) var removesAgent = false

    /// Whether the selection named nothing that exists.
    package var isEmpty: Bool { series == 0 && !removesAgent }

    mutating func add(_ totals: CallTotals) {
        series += 1
        sums.add(totals)
    }
}
