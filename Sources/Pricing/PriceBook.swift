/// Finds the price of a model, as senders spell it (contract section 6, "Look-up").
package struct PriceBook: Sendable {
    package let table: PriceTable
    package let spellings: ProviderSpellings
    /// Models by the names that the configuration gives them, as `model` or `provider/model`.
    private let aliases: [String: String]
    /// By `provider/model`, the provider in its canonical spelling.
    private var prices: [String: Price] = [:]

    /// - Parameter aliases: from names to `provider/model`, or to a model of the same provider.
    package init(table: PriceTable, spellings: ProviderSpellings, aliases: [String: String] = [:]) {
        self.table = table
        self.spellings = spellings
        self.aliases = aliases
        // Each rule over those before it, and in the order of the keys, so that of two the same one wins each time.
        let entries = table.prices.sorted { $0.key < $1.key }
        for (key, price) in entries { prices["\(spellings.canonical(price.provider))/\(key)"] = price }
        let withProvider = entries.compactMap { key, price in
            key.firstIndex(of: "/").map { (provider: String(key[..<$0]), model: key[$0...], price: price) }
        }
        for (provider, model, price) in withProvider { prices["\(spellings.canonical(provider))\(model)"] = price }
        for (provider, model, price) in withProvider { prices["\(provider)\(model)"] = price }
    }

    /// The price of a model; `nil` where the table has none.
    package func price(provider: String, model: String) -> Price? {
        if let price = listed(provider: provider, model: model) { return price }
        for name in ["\(provider)/\(model)", model] {
            guard let target = aliases[name] else { continue }
            // An alias may lead to another provider's model, or name one of the same provider.
            if let price = listed(target) ?? listed(provider: provider, model: target) { return price }
        }
        return nil
    }

    private func listed(_ target: String) -> Price? {
        guard let slash = target.firstIndex(of: "/") else { return nil }
        return listed(provider: String(target[..<slash]), model: String(target[target.index(after: slash)...]))
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
