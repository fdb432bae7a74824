/// Calls that a subscription pays for: those that match all that is given.
package struct PlanRule: Equatable, Sendable {
    /// `nil` is any.
    package let agentName: LabelValue?
    package let provider: LabelValue?
    /// By name, with `.` in place of `_`, as senders spell one name in both ways.
    package let attributes: [String: String]

    package init(agentName: LabelValue?, provider: LabelValue?, attributes: [String: String]) {
        self.agentName = agentName
        self.provider = provider
        self.attributes = attributes
    }
}
