internal import Model

/// Finds the price of a model by the names that senders use (docs/prices.md, "How a model is found").
package struct PriceBook: Sendable {
    package let spellings: ProviderSpellings
    private let roles: ProviderRoles
    /// By canonical name.
    private var aliases: [String: String] = [:]
    /// The number of `entries`.
    package let count: Int
    /// In the order of their layers; those without a price end a look-up.
    private let models: [PricedModel]
    /// The places of `models` by `provider/model` with the provider's canonical name.
    private let places: [String: Int32]
    /// By whole name, and by name without the provider.
    private let foldedNames: LazyNames
    private let foldedModels: LazyNames
    /// Canonical names of providers that have models.
    private let providers: Set<String>

    package init(table: PriceTable, spellings: ProviderSpellings, roles: ProviderRoles = ProviderRoles()) {
        self.spellings = spellings
        self.roles = roles
        // One layer alone hides nothing.
        var lastLayers: [String: Int] = [:]
        for (place, layer) in table.layers.enumerated() where table.layers.count > 1 {
            for model in layer.models { lastLayers[model.key] = place }
        }
        var models: [PricedModel] = []
        var names = Names(spellings: spellings)
        // The price of a layer overrides those of the layers below, however each of them spells the model.
        for (place, layer) in table.layers.enumerated() {
            let inForce = lastLayers.isEmpty ? layer.models : layer.models.filter { lastLayers[$0.key] == place }
            names.add(inForce, at: models.count)
            models = models.isEmpty ? inForce : models + inForce
        }
        self.models = models
        places = names.places
        count = Set(names.places.values).count { models[Int($0)].price != nil }
        let keys = names.places.keys
        foldedNames = LazyNames { FoldedNames(keys) { $0[...] } }
        foldedModels = LazyNames { FoldedNames(keys) { name in name.drop { $0 != "/" }.dropFirst() } }
        providers = names.providers
    }

    /// The names of the entries of all layers.
    private struct Names {
        let spellings: ProviderSpellings
        private(set) var places: [String: Int32] = [:]
        /// Canonical names.
        private(set) var providers: Set<String> = []
        /// Canonical names by spelling: a look-up in the layers takes longer.
        private var known: [Substring: String] = [:]

        init(spellings: ProviderSpellings) {
            self.spellings = spellings
        }

        private mutating func canonical(_ provider: Substring) -> String {
            if let canonical = known[provider] { return canonical }
            let canonical = spellings.canonical(String(provider))
            known[provider] = canonical
            return canonical
        }

        /// - Parameter start: the place of the first entry.
        mutating func add(_ models: [PricedModel], at start: Int) {
            // A later rule overrides an earlier one.
            var withProvider: [(canonical: String, key: String, place: Int32)] = []
            for (offset, model) in models.enumerated() {
                let provider = canonical(model.provider[...])
                providers.insert(provider)
                let place = Int32(start + offset)
                guard let slash = model.key.utf8.firstIndex(of: UInt8(ascii: "/")) else {
                    places["\(provider)/\(model.key)"] = place
                    continue
                }
                let head = canonical(model.key[..<slash])
                if head != provider { places["\(provider)/\(model.key)"] = place }
                let name = "\(head)\(model.key[slash...])"
                // Most are equal, and then share their memory.
                withProvider.append((name == model.key ? model.key : name, model.key, place))
            }
            for (canonical, _, place) in withProvider { places[canonical] = place }
            for (canonical, key, place) in withProvider where key != canonical { places[key] = place }
        }
    }

    /// Adds names for models. A look-up uses them if it finds no price.
    ///
    /// - Parameter aliases: from `model` of any provider, or `provider/model`, to `provider/model`, or to a model of
    ///   the provider that the alias is looked up for.
    /// - Throws: if a name occurs twice, or its target has no price; says which name.
    package mutating func addAliases(_ aliases: [(name: String, target: String)]) throws(PriceFault) {
        for (name, target) in aliases {
            let isKnown = hasPrice(target[...]) || target.withoutDate.map(hasPrice) == true
            guard isKnown || listed(target)?.price != nil else {
                throw PriceFault(
                    "leads to \(target), which has no price: name a model that has, as provider/model", of: name)
            }
            guard self.aliases.updateValue(target, forKey: canonicalName(name)) == nil else {
                throw PriceFault(
                    "stands here a second time: providers are compared by all of their spellings", of: name)
            }
        }
    }

    /// Whether some provider has a price for a model of exactly this name.
    private func hasPrice(_ model: Substring) -> Bool {
        foldedModels.names(of: model).contains { $0.hasSuffix("/\(model)") && self.model(named: $0)?.price != nil }
    }

    /// The entries that calls are billed by.
    package var entries: [PricedModel] {
        Set(places.values).sorted().map { models[Int($0)] }.filter { $0.price != nil }
    }

    private func model(named name: String) -> PricedModel? { places[name].map { models[Int($0)] } }
}

// MARK: - Look-ups

extension PriceBook {
    /// The models by which a call is billed; `nil` if none is found.
    ///
    /// - Parameter responseModel: the model that answered, if it is known.
    package func match(provider: String, model: String, responseModel: String? = nil) -> PriceMatch? {
        if let found = match(provider: provider, model: model) { return found }
        guard let responseModel, responseModel != model, let found = match(provider: provider, model: responseModel)
        else { return nil }
        return found.found(by: .responseModel)
    }

    /// The model that an alias leads to for any provider; `nil` if the name is no such alias.
    package func match(ofAlias name: String) -> PriceMatch? {
        guard let target = aliases[name], let found = listed(target) else { return nil }
        return PriceMatch(models: [found], ways: [.alias(name)])
    }

    private func match(provider: String, model: String) -> PriceMatch? {
        if let found = ownMatch(provider: provider, model: model) { return found }
        if roles.servers.contains(provider.lowercased()) || roles.servers.contains(spellings.canonical(provider)) {
            return nil
        }
        return prefixMatch(provider: provider, model: model) ?? frameworkMatch(provider: provider, model: model)
    }

    /// A model of the provider that the call names.
    private func ownMatch(provider: String, model: String) -> PriceMatch? {
        if let found = namedMatch(provider: provider, model: model) { return found }
        var name = model[...]
        for step in NameStep.allCases {
            guard let shortened = step.shortened(name) else { continue }
            name = shortened
            if let found = namedMatch(provider: provider, model: String(name)) {
                return found.found(by: .shortened(step))
            }
        }
        for name in name == model ? [model] : [model, String(name)] {
            if let found = folded(provider: provider, model: name) {
                return PriceMatch(models: [found], ways: [.otherCase])
            }
        }
        return nil
    }

    /// A model by its very name, or by an alias of it.
    private func namedMatch(provider: String, model: String) -> PriceMatch? {
        if let found = listed(provider: provider, model: model) {
            return PriceMatch(models: [found])
        }
        // The names under which a model can have an alias, the most specific first.
        let names = [canonicalName("\(provider)/\(model)"), canonicalName(model), ownName(model, of: provider)]
        for name in names.compactMap({ $0 }) {
            guard let target = aliases[name] else { continue }
            // The target of an alias is a model of another provider, or of the same one.
            guard let found = listed(target) ?? listed(provider: provider, model: target) else { return nil }
            return PriceMatch(models: [found], ways: [.alias(name)])
        }
        return nil
    }

    /// A model whose name begins with its provider: a proxy may name itself, or nothing at all, as the provider.
    private func prefixMatch(provider: String, model: String) -> PriceMatch? {
        guard !roles.hosts.contains(spellings.canonical(provider)), let (prefix, rest) = Self.parts(of: model),
            providers.contains(spellings.canonical(prefix)), let found = ownMatch(provider: prefix, model: rest)
        else { return nil }
        return found.found(by: .prefix)
    }

    /// A model of a call whose provider is a framework that names itself: the models of that name of all providers.
    private func frameworkMatch(provider: String, model: String) -> PriceMatch? {
        guard roles.frameworks.contains(provider.lowercased()) else { return nil }
        var name = model[...]
        for step in [nil] + NameStep.allCases.map(Optional.init) {
            if let step {
                guard let shortened = step.shortened(name) else { continue }
                name = shortened
            }
            for name in [name, String(name).withoutDate].compactMap({ $0 }) {
                let places = places(of: foldedModels.names(of: name)) { $0.hasSuffix("/\(name.lowercased())") }
                let found = places.sorted().map { models[Int($0)] }.filter { $0.price != nil }
                // Those who serve the models of others charge what they like: the maker's price goes first.
                let makers = found.filter { !roles.hosts.contains(spellings.canonical($0.provider)) }
                guard !found.isEmpty else { continue }
                return PriceMatch(models: makers.isEmpty ? found : makers, ways: [.framework])
            }
        }
        return nil
    }

    /// A search for models whose names are near to one that has no price.
    package var nearness: Nearness { Nearness(entries, spellings: spellings) }

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

    /// The model that a name of the form `provider/model` names; `nil` if there is none.
    private func listed(_ name: String) -> PricedModel? {
        Self.parts(of: name).flatMap { listed(provider: $0.provider, model: $0.model) }
    }

    private func listed(provider: String, model: String) -> PricedModel? {
        first(provider: provider, model: model) { self.model(named: $0) }
    }

    /// Without regard to case; `nil` if names that differ only in case cost differently.
    private func folded(provider: String, model: String) -> PricedModel? {
        first(provider: provider, model: model) { name in
            let places = places(of: foldedNames.names(of: name)) { $0 == name.lowercased() }
            let found = places.sorted().map { models[Int($0)] }
            guard let first = found.first, found.allSatisfy({ $0.price === first.price }) else { return nil }
            return first
        }
    }

    /// - Parameters:
    ///   - found: names whose hash is that of the name sought.
    ///   - isSought: whether a name in lower case is it.
    private func places(of found: [String], where isSought: (String) -> Bool) -> Set<Int32> {
        Set(found.filter { isSought($0.lowercased()) }.compactMap { places[$0] })
    }

    /// Calls `find` with the names of a model, the closest first: as it is, then without its date.
    private func first(provider: String, model: String, _ find: (String) -> PricedModel?) -> PricedModel? {
        let provider = spellings.canonical(provider)
        func found(_ model: Substring) -> PricedModel? {
            // A model that names its provider may be a key itself: Perplexity has sonar and perplexity/sonar.
            if let slash = model.firstIndex(of: "/"), spellings.canonical(String(model[..<slash])) == provider,
                let found = find("\(provider)\(model[slash...])")
            {
                return found
            }
            return find("\(provider)/\(model)")
        }
        return found(model[...]) ?? model.withoutDate.flatMap(found)
    }
}
