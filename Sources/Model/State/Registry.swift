/// All series and their totals, as of the last batch that was adopted.
///
/// A `Batch` reads it while it folds; only `adopt`, `reset` and `forget` change it.
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

    package init(bounds: HistogramBounds = .standard, maxSeries: Int) {
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

    /// Makes a batch part of the totals. Cannot fail: the batch was folded onto this very registry.
    mutating func adopt(_ batch: Batch) {
        for series in batch.agents.elements { agents.put(series) }
        for series in batch.calls.elements { calls.put(series) }
        for series in batch.endpoints.elements { endpoints.put(series) }
        for series in batch.offerings.elements { offerings.put(series) }
        memoryAvailableMegabytes = batch.memoryAvailableMegabytes
        places += batch.placesTaken
    }

    /// Removes all series except `llm_active_calls` of agents with calls in flight, whose open starts stay.
    ///
    /// - Parameter now: the time of day.
    package mutating func reset(now: Instant) {
        let inFlight = agents.elements.filter { $0.activeCalls > 0 }
        self = Registry(bounds: bounds, maxSeries: maxSeries)
        for agent in inFlight {
            var kept = AgentSeries(
                number: agents.nextNumber, name: agent.name, reportsActiveCalls: true, firstStart: now)
            kept.activeCalls = agent.activeCalls
            agents.put(kept)
        }
        places = takenPlaces
    }

    /// Removes the series of a selection, and the series of families with fewer labels that no set is left for.
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
