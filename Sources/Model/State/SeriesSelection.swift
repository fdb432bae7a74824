/// The series to forget: those of one agent, or fewer.
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
