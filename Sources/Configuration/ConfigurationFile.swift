internal import Model
internal import Pricing

/// What `--config.file` says: prices, aliases and budgets.
///
/// ```yaml
/// prices:                       # as in a price file; each replaces the whole entry of its key
///   openai/my-model: {input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7}
/// aliases:
///   models: {my-deployment: azure/gpt-4o}
///   providers: {corp-gateway: openai}
/// budgets:
///   - {name: reviewers, agent_name: ReviewerGPT, limit_usd: 50, period: day}
/// ```
struct ConfigurationFile {
    private var prices: [(name: String, value: YAMLValue)] = []
    private var modelAliases: [(name: String, value: YAMLValue)] = []
    private var providerAliases: [(name: String, value: YAMLValue)] = []
    private(set) var budgets: [Budget] = []

    /// - Throws: with the line, for what is not YAML, keys that are not known, and values that are not of their form.
    init(_ text: String, file: String) throws(ConfigurationError) {
        guard let document = try YAMLValue.document(text, file: file), !document.isNull else { return }
        let members = try document.members(of: ["prices", "aliases", "budgets"])
        if let prices = members["prices"], !prices.isNull {
            self.prices = try prices.members()
        }
        if let aliases = members["aliases"], !aliases.isNull {
            let kinds = try aliases.members(of: ["models", "providers"])
            modelAliases = try kinds["models"]?.membersUnlessNull() ?? []
            providerAliases = try kinds["providers"]?.membersUnlessNull() ?? []
        }
        if let budgets = members["budgets"], !budgets.isNull { self.budgets = try Self.budgets(budgets) }
    }

    // MARK: Aliases

    /// The spellings with those of the file before them.
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

    /// The prices by key.
    func prices(_ spellings: ProviderSpellings) throws(ConfigurationError) -> [String: Price] {
        var prices: [String: Price] = [:]
        for (key, value) in self.prices { prices[key] = try Self.price(key, value, spellings) }
        return prices
    }

    private static func price(_ key: String, _ entry: YAMLValue, _ spellings: ProviderSpellings)
        throws(ConfigurationError) -> Price
    {
        var provider = key.firstIndex(of: "/").map { String(key[..<$0]) }
        var price = PriceEntry()
        for (name, value) in try entry.members() {
            if name == PriceField.providerName {
                provider = try value.text()
            } else if name == PriceField.rangesName {
                for range in try value.elements() { price.append(try Self.range(range)) }
            } else if let field = PriceField(name: name) {
                price.set(field, to: try rate(value))
            } else {
                throw value.unknown(among: PriceField.names)
            }
        }
        guard let provider else {
            throw entry.fault("needs \(PriceField.providerName), or a key of the form provider/model")
        }
        do throws(PriceFault) {
            guard let price = try price.price(key: key, provider: provider, spellings: spellings) else {
                throw PriceFault("has no rate; give input_cost_per_token and output_cost_per_token")
            }
            return price
        } catch {
            throw entry.fault(error.description)
        }
    }

    private static func range(_ value: YAMLValue) throws(ConfigurationError) -> PriceEntry.Range {
        let kinds = PriceKind.allCases.map(\.fieldName)
        let members = try value.members(of: [PriceField.rangeName] + kinds)
        var rates = Rates()
        for kind in PriceKind.allCases {
            if let value = members[kind.fieldName] { rates[kind] = try rate(value) }
        }
        let bounds = try members[PriceField.rangeName]?.elements() ?? []
        var tokens: [Int64] = []
        for bound in bounds {
            guard let whole = DecimalNumber(try bound.number().utf8)?.integer else { break }
            tokens.append(whole)
        }
        guard tokens.count == 2, bounds.count == 2,
            let range = PriceEntry.Range(start: tokens[0], end: tokens[1], rates: rates)
        else { throw value.fault("needs a range of two whole numbers of tokens, as in range: [0, 32000]") }
        return range
    }

    private static func rate(_ value: YAMLValue) throws(ConfigurationError) -> Rate {
        guard let rate = DecimalNumber(try value.number().utf8).flatMap(Rate.init) else {
            throw value.fault(PriceFault.rateForm)
        }
        return rate
    }

    // MARK: Budgets

    /// Most budgets: each record is compared with all of them.
    static let budgetLimit = 1000

    /// - Returns: `nil` where nothing would be left of it: a budget that is very small is not 0.
    private static func money(_ number: DecimalNumber) -> Money? {
        guard let money = Money(rounding: number), money > .zero || number.isZero else { return nil }
        return money
    }

    private static func budgets(_ value: YAMLValue) throws(ConfigurationError) -> [Budget] {
        var budgets: [Budget] = []
        let elements = try value.elements()
        guard elements.count <= budgetLimit else { throw value.fault("has more than \(budgetLimit) budgets") }
        for element in elements {
            let members = try element.members(of: [
                "name", "agent_name", "provider", "model", "limit_usd", "period",
            ])
            func label(_ name: String) throws(ConfigurationError) -> LabelValue? {
                guard let value = members[name] else { return nil }
                // An empty filter would let everybody's calls count.
                guard !value.isNull else { throw value.fault("must have a value; leave the line out for all of them") }
                let text = try value.text()
                guard (1...256).contains(text.utf8.count), !text.unicodeScalars.contains(where: \.isControl),
                    text.first != " ", text.last != " "
                else {
                    throw value.fault("must have 1 to 256 bytes, no control characters, and no spaces at its ends")
                }
                guard name == "name" || text.first != "_" else {
                    throw value.fault("must not begin with _: no record has such a label")
                }
                return LabelValue(text)
            }
            guard let name = try label("name") else { throw element.fault("needs a name") }
            guard !budgets.contains(where: { $0.name == name }) else {
                throw element.fault("has the name of another budget, \(name); each budget needs its own")
            }
            guard let limitValue = members["limit_usd"] else { throw element.fault("needs limit_usd") }
            guard let limit = DecimalNumber(try limitValue.number().utf8).flatMap(money) else {
                throw limitValue.fault("must be 0, or a number from 1e-12 to 1e18, in USD, such as 50 or 0.25")
            }
            guard let periodValue = members["period"] else { throw element.fault("needs a period") }
            guard let period = BudgetPeriod(rawValue: try periodValue.text()) else {
                let known = BudgetPeriod.allCases.map(\.rawValue).joined(separator: ", ")
                throw periodValue.fault("must be one of \(known)")
            }
            budgets.append(
                Budget(
                    name: name, agentName: try label("agent_name"), provider: try label("provider"),
                    model: try label("model"), limit: limit, period: period))
        }
        return budgets
    }
}

extension Unicode.Scalar {
    fileprivate var isControl: Bool { properties.generalCategory == .control }
}
