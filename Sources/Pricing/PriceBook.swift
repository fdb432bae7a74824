internal import Model

/// Finds the price of a model by the names that senders use (docs/prices.md).
package struct PriceBook: Sendable {
    package let spellings: ProviderSpellings
    /// By canonical name.
    private var aliases: [String: String] = [:]
    /// The number of `entries`.
    package private(set) var count = 0
    /// By `provider/model` with the provider's canonical name.
    private var prices: [String: Price] = [:]

    package init(table: PriceTable, spellings: ProviderSpellings) {
        self.spellings = spellings
        var lastLayers: [String: Int] = [:]
        for (place, layer) in table.layers.enumerated() {
            for key in layer.keys { lastLayers[key] = place }
        }
        // The price of a layer overrides those of the layers below, however each of them spells the model.
        for (place, layer) in table.layers.enumerated() {
            let inForce = layer.filter { lastLayers[$0.key] == place }
            prices.merge(names(of: inForce.compactMapValues(\.price))) { $1 }
        }
        count = entries.count
    }

    /// The prices of one layer, by the names of their models.
    private func names(of layer: [String: Price]) -> [String: Price] {
        var prices: [String: Price] = [:]
        // A later rule overrides an earlier one. The keys are sorted so that each start resolves collisions alike.
        let entries = layer.sorted { $0.key < $1.key }
        for (key, price) in entries where ownName(key, of: price.provider) == nil {
            prices["\(spellings.canonical(price.provider))/\(key)"] = price
        }
        let withProvider = entries.filter { $0.key.contains("/") }
        for (key, price) in withProvider { prices[canonicalName(key)] = price }
        for (key, price) in withProvider { prices[key] = price }
        return prices
    }

    /// Adds names for models. A look-up uses them if it finds no price.
    ///
    /// - Parameter aliases: from `model` of any provider, or `provider/model`, to `provider/model`, or to a model of
    ///   the provider that the alias is looked up for.
    /// - Throws: if a name occurs twice, or its target has no price; says which name.
    package mutating func addAliases(_ aliases: [(name: String, target: String)]) throws(PriceFault) {
        let models = Set(prices.keys.compactMap { key in key.firstIndex(of: "/").map { key[key.index(after: $0)...] } })
        for (name, target) in aliases {
            let isKnown = models.contains(target[...]) || target.withoutDate.map(models.contains) == true
            guard isKnown || listed(target) != nil else {
                throw PriceFault(
                    "leads to \(target), which has no price: name a model that has, as provider/model", of: name)
            }
            guard self.aliases.updateValue(target, forKey: canonicalName(name)) == nil else {
                throw PriceFault(
                    "stands here a second time: providers are compared by all of their spellings", of: name)
            }
        }
    }

    /// The entries that calls are billed by.
    package var entries: [Price] {
        var seen: Set<ObjectIdentifier> = []
        return prices.values.filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// The target of an alias; `nil` if the name is no alias.
    package func target(ofAlias name: String) -> String? { aliases[canonicalName(name)] }

    /// The price of a model; `nil` if there is none.
    package func price(provider: String, model: String) -> Price? {
        if let price = listed(provider: provider, model: model) { return price }
        // The names under which a model can have an alias, the most specific first.
        let names = [canonicalName("\(provider)/\(model)"), canonicalName(model), ownName(model, of: provider)]
        for name in names {
            if let target = name.flatMap({ aliases[$0] }) { return price(aliased: target, provider: provider) }
        }
        return nil
    }

    /// The price of a model that is named as `provider/model`; `nil` if there is none.
    package func price(of name: String) -> Price? {
        Self.parts(of: name).flatMap { price(provider: $0.provider, model: $0.model) }
    }

    /// The target of an alias is a model of another provider, or of the same one.
    private func price(aliased target: String, provider: String) -> Price? {
        listed(target) ?? listed(provider: provider, model: target)
    }

    /// A name with its provider, if it has one, in canonical spelling.
    private func canonicalName(_ name: String) -> String {
        Self.parts(of: name).map { "\(spellings.canonical($0.provider))/\($0.model)" } ?? name
    }

    /// A model without its provider; `nil` if it does not name it.
    private func ownName(_ model: String, of provider: String) -> String? {
        guard let parts = Self.parts(of: model), spellings.canonical(parts.provider) == spellings.canonical(provider)
        else { return nil }
        return parts.model
    }

    /// The parts before and behind the first slash; `nil` if there is none.
    private static func parts(of name: String) -> (provider: String, model: String)? {
        guard let slash = name.firstIndex(of: "/") else { return nil }
        return (String(name[..<slash]), String(name[name.index(after: slash)...]))
    }

    private func listed(_ target: String) -> Price? {
        Self.parts(of: target).flatMap { listed(provider: $0.provider, model: $0.model) }
    }

    private func listed(provider: String, model: String) -> Price? {
        let provider = spellings.canonical(provider)
        func find(_ model: Substring) -> Price? {
            // A model that names its provider may be a key itself: Perplexity has sonar and perplexity/sonar.
            if let slash = model.firstIndex(of: "/"), spellings.canonical(String(model[..<slash])) == provider,
                let price = prices["\(provider)\(model[slash...])"]
            {
                return price
            }
            return prices["\(provider)/\(model)"]
        }
        return find(model[...]) ?? model.withoutDate.flatMap(find)
    }
}
