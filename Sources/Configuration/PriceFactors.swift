internal import Model
internal import Pricing

extension [PriceFactorRule] {
    /// Reads the `price_factors` of a configuration file.
    ///
    /// - Parameter spellings: by which providers are compared.
    init(_ value: YAMLValue, spellings: ProviderSpellings) throws(ConfigurationError) {
        self.init()
        for element in try value.rules("factors") {
            let rule = try PriceFactorRule(element)
            let provider = rule.provider.map { spellings.canonical($0.text) }
            guard
                !contains(where: {
                    $0.provider.map { spellings.canonical($0.text) } == provider && $0.model == rule.model
                })
            else {
                throw element.fault("repeats the provider and model of an earlier entry, which applies")
            }
            append(rule)
        }
    }
}

extension PriceFactorRule {
    fileprivate init(_ element: YAMLValue) throws(ConfigurationError) {
        let members = try element.members(of: ["provider", "model", "factor"])
        guard let value = members["factor"] else { throw element.fault("needs factor, such as 0.85") }
        guard let factor = try value.number().flatMap(PriceFactor.init) else { throw value.fault(PriceFactor.form) }
        self.init(
            provider: try members["provider"]?.label(), model: try members["model"]?.label(), factor: factor)
    }
}
