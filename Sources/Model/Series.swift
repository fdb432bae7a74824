/// A series, or the series of several families that share their labels: one row of the registry, and of the database.
package protocol NumberedSeries: Sendable {
    associatedtype Labels: Hashable & Sendable
    /// Above 0, in the order of birth, and the series' own for as long as it exists.
    var number: Int64 { get }
    var labels: Labels { get }
}

/// The families of one set of (agent_name, provider, model).
package struct CallSeries: NumberedSeries {
    package let number: Int64
    package let labels: SeriesLabels
    package let block: LabelBlock
    package internal(set) var totals: CallTotals

    package init(number: Int64, labels: SeriesLabels, totals: CallTotals = CallTotals()) {
        self.number = number
        self.labels = labels
        self.totals = totals
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider), ("model", labels.model)])
    }
}

/// `llm_api_latency_seconds` of one (agent_name, provider).
package struct EndpointSeries: NumberedSeries {
    package let number: Int64
    package let labels: EndpointLabels
    package let block: LabelBlock
    package internal(set) var latency: Histogram

    package init(number: Int64, labels: EndpointLabels, latency: Histogram) {
        self.number = number
        self.labels = labels
        self.latency = latency
        block = LabelBlock([("agent_name", labels.agentName), ("provider", labels.provider)])
    }
}

/// `llm_calls_unpriced_total` of one (provider, model).
package struct OfferingSeries: NumberedSeries {
    package let number: Int64
    package let labels: OfferingLabels
    package let block: LabelBlock
    package internal(set) var unpricedCalls: Int64

    package init(number: Int64, labels: OfferingLabels, unpricedCalls: Int64 = 0) {
        self.number = number
        self.labels = labels
        self.unpricedCalls = unpricedCalls
        block = LabelBlock([("provider", labels.provider), ("model", labels.model)])
    }
}

/// The families of one agent.
package struct AgentSeries: NumberedSeries {
    package let number: Int64
    package let name: LabelValue
    package let block: LabelBlock
    /// Sets of this agent that are not folded; 0 for an agent known only by starts.
    package internal(set) var ownSets = 0
    package private(set) var memoryRSSMegabytes: Double?
    /// Calls begun and neither ended nor expired.
    package internal(set) var activeCalls: Int64 = 0
    /// Whether the agent ever sent a start: only then has it an `llm_active_calls`.
    package private(set) var reportsActiveCalls: Bool
    package private(set) var expiredCalls: Int64

    package init(
        number: Int64, name: LabelValue, memoryRSSMegabytes: Double? = nil, reportsActiveCalls: Bool = false,
        expiredCalls: Int64 = 0
    ) {
        self.number = number
        self.name = name
        self.memoryRSSMegabytes = memoryRSSMegabytes
        self.reportsActiveCalls = reportsActiveCalls
        self.expiredCalls = expiredCalls
        block = LabelBlock([("agent_name", name)])
    }

    package var labels: LabelValue { name }

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
