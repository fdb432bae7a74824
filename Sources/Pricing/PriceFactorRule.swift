package import Model

/// A discount or surcharge on the computed cost of the calls of a provider, a model or both.
package struct PriceFactorRule: Equatable, Sendable {
    /// `nil` is any.
    package let provider: LabelValue?
    /// As calls or the price table name it; `nil` is any.
    package let model: LabelValue?
    package let factor: PriceFactor

    package init(provider: LabelValue?, model: LabelValue?, factor: PriceFactor) {
        self.provider = provider
        self.model = model
        self.factor = factor
    }
}

/// The factors of a configuration, in their order.
package struct PriceFactors: Sendable {
    /// Providers by their canonical names.
    private let rules: [(provider: String?, model: String?, factor: PriceFactor)]
    private let spellings: ProviderSpellings

    package init(_ rules: [PriceFactorRule], spellings: ProviderSpellings) {
        self.spellings = spellings
        self.rules = rules.map { ($0.provider.map { spellings.canonical($0.text) }, $0.model?.text, $0.factor) }
    }

    /// The factor of the first rule that names a call, or the model that the call is billed by: a discount on a model
    /// also holds for its dated names and deployments.
    package func factor(provider: String, model: String, billedBy match: PriceMatch?) -> PriceFactor {
        if rules.isEmpty { return .one }
        let billing = match?.models ?? []
        let providers = ([provider] + billing.map(\.provider)).map(spellings.canonical)
        var models = [model[...]] + billing.flatMap { [$0.key[...], $0.key.drop { $0 != "/" }.dropFirst()] }
        models += models.compactMap { String($0).withoutDate?[...] }
        return rules.first { rule in
            rule.provider.map(providers.contains) != false && rule.model.map { models.contains($0[...]) } != false
        }?.factor ?? .one
    }
}
