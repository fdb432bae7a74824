internal import Model

extension [Budget] {
    /// Reads the `budgets` of a configuration file.
    init(_ value: YAMLValue) throws(ConfigurationError) {
        self.init()
        for element in try value.rules("budgets") {
            let budget = try Budget(element)
            guard !contains(where: { $0.name == budget.name }) else {
                throw element.fault("has the name of another budget, \(budget.name); each budget needs its own")
            }
            append(budget)
        }
    }
}

extension Budget {
    fileprivate init(_ element: YAMLValue) throws(ConfigurationError) {
        let members = try element.members(of: ["name", "agent_name", "provider", "model", "limit_usd", "period"])
        guard let name = try members["name"]?.budgetName() else { throw element.fault("needs a name") }
        guard let limit = members["limit_usd"] else { throw element.fault("needs limit_usd") }
        guard let money = try limit.number().flatMap(Money.init(limit:)) else {
            throw limit.fault("must be 0, or a number from 1e-12 to 1e18, in USD, such as 50 or 0.25")
        }
        guard let periodValue = members["period"] else { throw element.fault("needs a period") }
        guard let period = BudgetPeriod(rawValue: try periodValue.text()) else {
            let known = BudgetPeriod.allCases.map(\.rawValue).joined(separator: ", ")
            throw periodValue.fault("must be one of \(known)")
        }
        self.init(
            name: name, agentName: try members["agent_name"]?.label(),
            provider: try members["provider"]?.label(), model: try members["model"]?.label(), limit: money,
            period: period)
    }
}

extension YAMLValue {
    fileprivate func budgetName() throws(ConfigurationError) -> LabelValue {
        // An empty filter would hold for the calls of all agents.
        guard !isNull else { throw fault("must have a value; leave the line out for all of them") }
        return LabelValue(try shortText())
    }

    /// A text that a name may be.
    func shortText() throws(ConfigurationError) -> String {
        let text = try text()
        guard (1...256).contains(text.utf8.count), !text.unicodeScalars.contains(where: \.isControl),
            text.first != " ", text.last != " "
        else {
            throw fault("must have 1 to 256 bytes, no control characters, and no spaces at its ends")
        }
        return text
    }

    /// A label that records can have.
    func label() throws(ConfigurationError) -> LabelValue {
        let label = try budgetName()
        guard label.text.first != "_" else { throw fault("must not begin with _: no record has such a label") }
        return label
    }
}

extension Money {
    /// - Returns: `nil` if a number above 0 would become 0: a very small budget is not an empty one.
    fileprivate init?(limit number: DecimalNumber) {
        guard let money = Money(rounding: number), money > .zero || number.isZero else { return nil }
        self = money
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool { properties.generalCategory == .control }
}
