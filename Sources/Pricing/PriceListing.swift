/// What one layer of the price table says about one key.
package enum PriceListing: Sendable {
    case price(Price)
    /// The entry says nothing about the price of tokens, such as that of an image model. It hides prices of lower
    /// layers.
    case withoutPrice

    package var price: Price? {
        if case .price(let price) = self { price } else { nil }
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
        guard let entry = try PriceEntry(value, provider: provider, doubt: doubt) else { return nil }
        do throws(PriceFault) {
            self = try entry.price(key: key, spellings: spellings).map(PriceListing.price) ?? .withoutPrice
        } catch {
            throw value.fault(error.description)
        }
    }
}
