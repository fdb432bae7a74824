/// A model of the price table.
package struct PricedModel: Sendable {
    /// The key of its entry: `model` or `provider/model`.
    package let key: String
    /// As the entry spells it.
    package let provider: String
    /// `nil` if the entry says nothing about the price of tokens, such as that of an image model. It hides prices of
    /// lower layers, and a look-up ends with it.
    package let price: Price?

    init(key: String, provider: String, price: Price?) {
        self.key = key
        self.provider = provider
        self.price = price
    }

    /// Reads an entry; `nil` if it has no provider, which makes it no entry.
    ///
    /// - Parameters:
    ///   - key: `model` or `provider/model`.
    ///   - provider: the provider of an entry that does not name one.
    ///   - doubt: called with each value that is allowed and yet looks like a mistake.
    package init?<Value: PriceValue>(
        _ value: Value, key: String, provider: String? = nil, spellings: ProviderSpellings,
        doubt: (Value.Fault) -> Void
    ) throws(Value.Fault) {
        var fields = PriceFields()
        guard let entry = try PriceEntry(value, provider: provider, &fields, doubt: doubt) else { return nil }
        self.key = key
        self.provider = entry.provider
        do throws(PriceFault) {
            let traits = try entry.traits(key: key, provider: spellings.canonical(entry.provider))
            price = try entry.price(traits)
        } catch {
            throw value.fault(error.description)
        }
    }
}
