internal import Model

extension [PlanRule] {
    /// Reads the `plans` of a configuration file.
    init(_ value: YAMLValue) throws(ConfigurationError) {
        self.init()
        for element in try value.rules("plans") {
            let rule = try PlanRule(element)
            guard !contains(rule) else { throw element.fault("repeats an earlier entry") }
            append(rule)
        }
        // Each attribute of each span is compared with their names.
        guard Set(flatMap(\.attributes.keys)).count <= 16 else { throw value.fault("names more than 16 attributes") }
    }
}

extension PlanRule {
    fileprivate init(_ element: YAMLValue) throws(ConfigurationError) {
        let members = try element.members(of: ["agent_name", "provider", "attributes"])
        var attributes: [String: String] = [:]
        for (name, value) in try members["attributes"]?.members() ?? [] {
            let plain = name.replacing("_", with: ".")
            guard !name.isEmpty, attributes.updateValue(try value.shortText(), forKey: plain) == nil else {
                throw value.fault("stands here a second time, or has no name")
            }
        }
        self.init(
            agentName: try members["agent_name"]?.label(), provider: try members["provider"]?.label(),
            attributes: attributes)
        guard agentName != nil || provider != nil || !attributes.isEmpty else {
            throw element.fault("would match every call: give agent_name, provider or attributes")
        }
    }
}
