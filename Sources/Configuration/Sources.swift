internal import Model

extension [SourceRule] {
    /// Reads the `sources` of a configuration file.
    init(_ value: YAMLValue) throws(ConfigurationError) {
        self.init()
        for element in try value.rules("sources") {
            let rule = try SourceRule(element)
            guard !contains(where: { $0.agentName == rule.agentName && $0.provider == rule.provider }) else {
                throw element.fault("repeats the agent_name and provider of an earlier entry")
            }
            append(rule)
        }
    }
}

extension SourceRule {
    fileprivate init(_ element: YAMLValue) throws(ConfigurationError) {
        let members = try element.members(of: ["agent_name", "provider", "count"])
        let known = ReportingIntake.allCases.map(\.rawValue).joined(separator: ", ")
        guard let value = members["count"] else { throw element.fault("needs count: one of \(known)") }
        guard let counted = ReportingIntake(rawValue: try value.text()) else {
            throw value.fault("must be one of \(known)")
        }
        self.init(
            agentName: try members["agent_name"]?.label(), provider: try members["provider"]?.label(), counted: counted)
    }
}
