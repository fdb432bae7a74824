/// Finds the price of a model, as senders spell it (docs/prices.md).
package struct PriceBook: Sendable {
    package let spellings: ProviderSpellings
    /// By names as `canonicalName` makes them.
    private var aliases: [String: String] = [:]
    /// Of `entries`.
    package private(set) var count = 0
    /// By `provider/model`, the provider in its canonical spelling.
    private var prices: [String: Price] = [:]

    package init(table: PriceTable, spellings: ProviderSpellings) {
        self.spellings = spellings
        var lastLayers: [String: Int] = [:]
        for (place, layer) in table.layers.enumerated() {
            for key in layer.keys { lastLayers[key] = place }
        }
        // However a layer spells a model, its price goes before those of the layers below.
        for (place, layer) in table.layers.enumerated() {
            let inForce = layer.filter { lastLayers[$0.key] == place }
            prices.merge(names(of: inForce.compactMapValues { $0 })) { $1 }
        }
        count = entries.count
    }

    /// What the entries of one layer are the price of.
    private func names(of layer: [String: Price]) -> [String: Price] {
        var prices: [String: Price] = [:]
        // Each rule over those before it, and in the order of the keys, so that of two the same one wins each time.
        let entries = layer.sorted { $0.key < $1.key }
        for (key, price) in entries where ownName(key, of: price.provider) == nil {
            prices["\(spellings.canonical(price.provider))/\(key)"] = price
        }
        let withProvider = entries.filter { $0.key.contains("/") }
        for (key, price) in withProvider { prices[canonicalName(key)] = price }
        for (key, price) in withProvider { prices[key] = price }
        return prices
    }

    /// With names for models, which are looked at where there is no price.
    ///
    /// - Parameter aliases: from `model` of any provider, or `provider/model`, to `provider/model`, or a model of the provider
    ///   that the alias is looked up for.
    /// - Throws: where a name stands twice, or leads to what nobody has a price for; names it.
    package mutating func addAliases(_ aliases: [(name: String, target: String)]) throws(PriceFault) {
        let models = Set(prices.keys.compactMap { key in key.firstIndex(of: "/").map { key[key.index(after: $0)...] } })
        for (name, target) in aliases {
            let isOfSomebody = models.contains(target[...]) || target.withoutDate.map(models.contains) == true
            guard isOfSomebody || listed(target) != nil else {
                throw PriceFault(
                    "leads to \(target), which has no price: name a model that has, as provider/model", of: name)
            }
            guard self.aliases.updateValue(target, forKey: canonicalName(name)) == nil else {
                throw PriceFault(
                    "stands here a second time: providers are compared by all of their spellings", of: name)
            }
        }
    }

    /// The entries by which calls are billed.
    package var entries: [Price] {
        var seen: Set<ObjectIdentifier> = []
        return prices.values.filter { seen.insert(ObjectIdentifier($0)).inserted }
    }

    /// What a name of a model stands for; `nil` where it is no alias.
    package func target(ofAlias name: String) -> String? { aliases[canonicalName(name)] }

    /// The price of a model; `nil` where the table has none.
    package func price(provider: String, model: String) -> Price? {
        if let price = listed(provider: provider, model: model) { return price }
        // The names that a model may have as an alias, the closest first.
        let names = [canonicalName("\(provider)/\(model)"), canonicalName(model), ownName(model, of: provider)]
        for name in names {
            if let target = name.flatMap({ aliases[$0] }) { return price(aliased: target, provider: provider) }
        }
        return nil
    }

    /// The price of a model that is named as `provider/model`; `nil` where there is none.
    package func price(of name: String) -> Price? {
        Self.parts(of: name).flatMap { price(provider: $0.provider, model: $0.model) }
    }

    /// An alias may lead to another provider's model, or name one of the same provider.
    private func price(aliased target: String, provider: String) -> Price? {
        listed(target) ?? listed(provider: provider, model: target)
    }

    /// A name whose provider, where it has one, is spelled canonically.
    private func canonicalName(_ name: String) -> String {
        Self.parts(of: name).map { "\(spellings.canonical($0.provider))/\($0.model)" } ?? name
    }

    /// A model without its provider, where it names that itself.
    private func ownName(_ model: String, of provider: String) -> String? {
        guard let parts = Self.parts(of: model), spellings.canonical(parts.provider) == spellings.canonical(provider)
        else { return nil }
        return parts.model
    }

    /// What stands before the first slash, and what behind it; `nil` where there is none.
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
            // A model that names its provider itself is a key as it stands; Perplexity has sonar and perplexity/sonar.
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

extension String {
    /// Without a date at the end: `-2024-08-06`, `-20250929` or `@20250929`; `nil` where there is none.
    fileprivate var withoutDate: Substring? {
        for form in ["-dddd-dd-dd", "-dddddddd", "@dddddddd"] {
            let end = utf8.suffix(form.utf8.count)
            guard end.count == form.utf8.count, end.count < utf8.count else { continue }
            let fits = zip(end, form.utf8).allSatisfy { byte, place in
                place == UInt8(ascii: "d") ? (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) : byte == place
            }
            if fits { return self[..<end.startIndex] }
        }
        return nil
    }
}
