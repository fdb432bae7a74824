/// The families of one set of (agent_name, provider, model).
package struct CallSeries: Sendable {
    package let labels: SeriesLabels
    package let block: LabelBlock
    package internal(set) var totals = CallTotals()

    init(labels: SeriesLabels) {
        self.labels = labels
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider), ("model", labels.model)])
    }
}

/// `llm_api_latency_seconds` of one (agent_name, provider).
package struct EndpointSeries: Sendable {
    package let labels: EndpointLabels
    package let block: LabelBlock
    package internal(set) var latency: Histogram

    init(labels: EndpointLabels, bounds: HistogramBounds) {
        self.labels = labels
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider)])
        latency = Histogram(bounds: bounds)
    }
}

/// `llm_calls_unpriced_total` of one (provider, model).
package struct OfferingSeries: Sendable {
    package let labels: OfferingLabels
    package let block: LabelBlock
    package internal(set) var unpricedCalls: Int64 = 0

    init(labels: OfferingLabels) {
        self.labels = labels
        block = LabelBlock([("provider", labels.provider), ("model", labels.model)])
    }
}

/// The families of one agent.
package struct AgentSeries: Sendable {
    package let name: LabelValue
    package let block: LabelBlock
    /// Sets of this agent that are not folded; 0 for an agent known only by starts.
    package internal(set) var ownSets = 0
    package private(set) var memoryRSSMegabytes: Double?
    /// Calls begun and neither ended nor expired.
    package private(set) var activeCalls: Int64 = 0
    /// Whether the agent ever sent a start: only then has it an `llm_active_calls`.
    package private(set) var reportsActiveCalls = false
    package private(set) var expiredCalls: Int64 = 0

    init(name: LabelValue) {
        self.name = name
        block = LabelBlock([("agent_name", name)])
    }

    mutating func merge(_ change: AgentChange) {
        ownSets += change.ownSets
        memoryRSSMegabytes = change.memoryRSSMegabytes ?? memoryRSSMegabytes
        activeCalls += change.activeCalls
        reportsActiveCalls = reportsActiveCalls || change.activeCalls != 0 || change.reportsActiveCalls
        expiredCalls += change.expiredCalls
    }

    /// Places taken of the series limit.
    var places: Int { name == .other ? 0 : max(1, ownSets) }
}

/// What a batch changes of one agent.
package struct AgentChange: Sendable {
    package var ownSets = 0
    package var memoryRSSMegabytes: Double?
    package var activeCalls: Int64 = 0
    package var reportsActiveCalls = false
    package var expiredCalls: Int64 = 0
}
