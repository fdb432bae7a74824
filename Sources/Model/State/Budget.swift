/// A limit on what calls may cost in each period of time (docs/prices.md).
package struct Budget: Equatable, Sendable {
    /// Unique among the budgets.
    package let name: LabelValue
    /// The calls that count, by their labels as sent; `nil` admits any value.
    package let agentName: LabelValue?
    package let provider: LabelValue?
    package let model: LabelValue?
    package let limit: Money
    package let period: BudgetPeriod

    package init(
        name: LabelValue, agentName: LabelValue? = nil, provider: LabelValue? = nil, model: LabelValue? = nil,
        limit: Money, period: BudgetPeriod
    ) {
        self.name = name
        self.agentName = agentName
        self.provider = provider
        self.model = model
        self.limit = limit
        self.period = period
    }

    func contains(_ labels: SeriesLabels) -> Bool {
        (agentName ?? labels.agentName) == labels.agentName && (provider ?? labels.provider) == labels.provider
            && (model ?? labels.model) == labels.model
    }

    /// The keys of the configuration in which it counts other calls, or over another time, than an earlier budget of
    /// its name.
    package func changes(from other: Budget) -> [String] {
        [
            agentName == other.agentName ? nil : "agent_name", provider == other.provider ? nil : "provider",
            model == other.model ? nil : "model", period == other.period ? nil : "period",
        ].compactMap { $0 }
    }

    /// Whether it counts the same calls over the same time, so that it takes over what was spent of the other.
    func continues(_ other: Budget) -> Bool {
        name == other.name && changes(from: other).isEmpty
    }
}
