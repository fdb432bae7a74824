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

    /// Whether it counts the same calls over the same time, so that it takes over what was spent of the other.
    func continues(_ other: Budget) -> Bool {
        name == other.name && agentName == other.agentName && provider == other.provider && model == other.model
            && period == other.period
    }
}
