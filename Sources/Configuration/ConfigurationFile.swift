internal import Model
internal import Pricing

/// The content of `--config.file`: prices, what changes computed costs, budgets, what names agents and which intake
/// counts.
///
/// ```yaml
/// prices:                       # as in a price file; each replaces the whole entry of its key
///   openai/my-model: {input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7}
/// aliases:
///   models: {my-deployment: azure/gpt-4o}
///   providers: {corp-gateway: openai}
/// price_factors:                # what computed costs are multiplied by; the first that matches applies
///   - {provider: anthropic, factor: 0.85}
/// plans:                        # calls that a subscription pays for
///   - {agent_name: Coder, provider: anthropic, attributes: {billing: seat}}
/// budgets:
///   - {name: reviewers, agent_name: ReviewerGPT, limit_usd: 50, period: day}
/// agent_attributes: [user.email]   # of OpenTelemetry: they name the agent before all others
/// sources:                         # which intake counts calls that two of them report
///   - {agent_name: ReviewerGPT, provider: openai, count: litellm}
/// ```
struct ConfigurationFile {
    private var prices: [(name: String, value: YAMLValue)] = []
    private var modelAliases: [(name: String, value: YAMLValue)] = []
    private var providerAliases: [(name: String, value: YAMLValue)] = []
    private(set) var budgets: [Budget] = []
    private(set) var agentAttributes: [String] = []
    private(set) var sources: [SourceRule] = []
    private var factors: YAMLValue?
    private(set) var plans: [PlanRule] = []
    /// Whether it has lines of comments, as the file that comes with the Debian package.
    let hasComments: Bool

    /// - Throws: with the line, for text that is not YAML, unknown keys and invalid values.
    init(_ text: String, file: String) throws(ConfigurationError) {
        hasComments = text.split(whereSeparator: \.isNewline).contains { $0.drop(while: \.isWhitespace).first == "#" }
        guard let document = try YAMLValue.document(text, file: file), !document.isNull else { return }
        let members = try document.members(of: Self.keys)
        if let prices = members["prices"], !prices.isNull {
            self.prices = try prices.members()
        }
        if let aliases = members["aliases"], !aliases.isNull {
            let kinds = try aliases.members(of: ["models", "providers"])
            modelAliases = try kinds["models"]?.membersUnlessNull() ?? []
            providerAliases = try kinds["providers"]?.membersUnlessNull() ?? []
        }
        if let budgets = members["budgets"], !budgets.isNull { self.budgets = try [Budget](budgets) }
        if let sources = members["sources"], !sources.isNull { self.sources = try [SourceRule](sources) }
        if let factors = members["price_factors"], !factors.isNull, try !factors.elements().isEmpty {
            self.factors = factors
        }
        if let plans = members["plans"], !plans.isNull { self.plans = try [PlanRule](plans) }
        if let names = members["agent_attributes"], !names.isNull { agentAttributes = try names.agentAttributes() }
    }

    static let keys = ["prices", "aliases", "price_factors", "plans", "budgets", "agent_attributes", "sources"]

    /// Whether it sets nothing.
    var isEmpty: Bool {
        prices.isEmpty && modelAliases.isEmpty && providerAliases.isEmpty && budgets.isEmpty && agentAttributes.isEmpty
            && sources.isEmpty && factors == nil && plans.isEmpty
    }

    // MARK: Aliases

    /// The spellings, and over them those of the file.
    func adding(to spellings: ProviderSpellings) throws(ConfigurationError) -> ProviderSpellings {
        var aliases: [(spelling: String, canonical: String)] = []
        for (name, value) in providerAliases {
            guard !name.isEmpty, try !value.text().isEmpty else { throw value.fault("must name two providers") }
            aliases.append((name, try value.text()))
        }
        do throws(PriceFault) {
            return try spellings.adding(aliases)
        } catch {
            let culprit = providerAliases.first { $0.name == error.name } ?? providerAliases[0]
            throw culprit.value.fault(error.description)
        }
    }

    func addAliases(to book: inout PriceBook) throws(ConfigurationError) {
        var aliases: [(name: String, target: String)] = []
        for (name, value) in modelAliases { aliases.append((name, try value.text())) }
        do throws(PriceFault) {
            try book.addAliases(aliases)
        } catch {
            let culprit = modelAliases.first { $0.name == error.name } ?? modelAliases[0]
            throw culprit.value.fault(error.description)
        }
    }

    // MARK: Prices

    func priceFactors(_ spellings: ProviderSpellings) throws(ConfigurationError) -> [PriceFactorRule] {
        guard let factors else { return [] }
        return try [PriceFactorRule](factors, spellings: spellings)
    }

    /// The prices by key.
    ///
    /// - Parameter doubt: called with each value that is allowed and yet looks like a mistake.
    func prices(
        _ spellings: ProviderSpellings, doubt: (ConfigurationError) -> Void
    ) throws(ConfigurationError) -> PriceLayer {
        var prices = PriceLayer()
        for (key, value) in self.prices {
            let provider = key.firstIndex(of: "/").map { String(key[..<$0]) }
            guard
                let model = try PricedModel(value, key: key, provider: provider, spellings: spellings, doubt: doubt)
            else {
                throw value.fault("needs litellm_provider, or a key of the form provider/model")
            }
            guard model.price != nil else {
                throw value.fault("has no rate; give input_cost_per_token and output_cost_per_token")
            }
            prices.put(model)
        }
        return prices
    }
}

extension YAMLValue {
    /// The names of attributes: at most 16, as each attribute of each span is compared with them.
    fileprivate func agentAttributes() throws(ConfigurationError) -> [String] {
        let elements = try elements()
        guard elements.count <= 16 else { throw fault("has more than 16 attributes") }
        var names: [String] = []
        for element in elements {
            let name = try element.shortText()
            // Senders spell one name in both ways.
            let isKnown = names.contains { $0.replacing("_", with: ".") == name.replacing("_", with: ".") }
            guard !isKnown else { throw element.fault("is in the list already") }
            names.append(name)
        }
        return names
    }
}
