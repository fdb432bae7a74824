/// The labels under which a call is counted, which most families share.
package struct SeriesLabels: Hashable, Sendable {
    package let agentName: LabelValue
    package let provider: LabelValue
    package let model: LabelValue

    package init(agentName: LabelValue, provider: LabelValue, model: LabelValue) {
        self.agentName = agentName
        self.provider = provider
        self.model = model
    }

    package var endpoint: EndpointLabels { EndpointLabels(agentName: agentName, provider: provider) }
    package var offering: OfferingLabels { OfferingLabels(provider: provider, model: model) }

    /// The set that a known agent's calls join once the limit is reached.
    package static func folded(agentName: LabelValue) -> SeriesLabels {
        SeriesLabels(agentName: agentName, provider: .other, model: .other)
    }

    /// Folded sets are not counted against the limit.
    package var isFolded: Bool { model == .other }
}

/// Labels of `llm_api_latency_seconds`.
package struct EndpointLabels: Hashable, Sendable {
    package let agentName: LabelValue
    package let provider: LabelValue

    package init(agentName: LabelValue, provider: LabelValue) {
        self.agentName = agentName
        self.provider = provider
    }
}

/// Labels of `llm_calls_unpriced_total`: a model as a provider offers it.
package struct OfferingLabels: Hashable, Sendable {
    package let provider: LabelValue
    package let model: LabelValue

    package init(provider: LabelValue, model: LabelValue) {
        self.provider = provider
        self.model = model
    }
}
