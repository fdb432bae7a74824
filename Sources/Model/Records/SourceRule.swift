/// The ways in which calls are reported, as `sources` in the configuration names them.
package enum ReportingIntake: String, CaseIterable, Sendable {
    case record, litellm, traces, logs
}

/// The only intake whose calls count, for an agent, a provider or both.
package struct SourceRule: Equatable, Sendable {
    /// `nil` is any.
    package let agentName: LabelValue?
    package let provider: LabelValue?
    package let counted: ReportingIntake

    package init(agentName: LabelValue?, provider: LabelValue?, counted: ReportingIntake) {
        self.agentName = agentName
        self.provider = provider
        self.counted = counted
    }
}
