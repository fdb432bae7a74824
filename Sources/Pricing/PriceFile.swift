private import Model

/// The prices of one file in the shape of LiteLLM's model price table (docs/prices.md).
package struct PriceFile: Sendable {
    /// By key: `model` or `provider/model`. `nil` where the entry says nothing of the price of tokens.
    let prices: [String: Price?]

    /// - Parameter text: JSON (RFC 8259).
    /// - Throws: where it is no JSON object of objects, or a price is none; names the line, and the key.
    package init(_ text: [UInt8], spellings: ProviderSpellings) throws(PriceFault) {
        var prices: [String: Price?] = [:]
        try JSONValue.forEachMember(of: text) { key, entry throws(PriceFault) in
            // It explains the fields to people; its values are words.
            if key == "sample_spec" { return }
            // Of two entries of a key the later one holds, as of those in two files.
            do throws(EntryFault) {
                if let price = try Self.price(key, entry, spellings) { prices.updateValue(price, forKey: key) }
            } catch {
                throw PriceFault("line \(error.line): \"\(key)\": \(error.text)")
            }
        }
        self.prices = prices
    }

    private struct EntryFault: Error {
        let line: Int
        let text: String

        init(_ value: JSONValue, _ text: String) {
            line = value.line
            self.text = text
        }
    }

    /// - Returns: `nil` for an entry without a provider, which is skipped.
    private static func price(_ key: String, _ entry: JSONValue, _ spellings: ProviderSpellings) throws(EntryFault)
        -> Price??
    {
        guard let members = entry.members else { throw EntryFault(entry, form) }
        guard let named = members.first(where: { $0.key == PriceField.providerName })?.value, !named.isNull else {
            return nil
        }
        guard let provider = named.string else { throw EntryFault(named, "\(PriceField.providerName) \(form)") }
        var price = PriceEntry()
        var names: Set<String> = []
        for (name, value) in members {
            // Nobody could tell which is meant; what is not read may stand there as often as it likes.
            guard names.insert(name).inserted || !PriceField.isRead(name) else {
                throw EntryFault(value, "\(name) stands here a second time")
            }
            if value.isNull { continue }
            if name == PriceField.rangesName {
                guard let ranges = value.elements else { throw EntryFault(value, "\(name) \(form)") }
                for range in ranges {
                    if let range = try Self.range(range) { price.append(range) }
                }
            } else if let field = PriceField(name: name) {
                price.set(field, to: try rate(name, value))
            }
        }
        do throws(PriceFault) {
            return .some(try price.price(key: key, provider: provider, spellings: spellings))
        } catch {
            throw EntryFault(entry, error.description)
        }
    }

    /// - Returns: `nil` where it gives no price for input tokens: ranges of search results, which cost by the query.
    private static func range(_ value: JSONValue) throws(EntryFault) -> PriceEntry.Range? {
        guard let members = value.members else { throw EntryFault(value, "\(PriceField.rangesName) \(form)") }
        guard members.contains(where: { $0.key == PriceKind.input.fieldName }) else { return nil }
        var rates = Rates()
        var bounds: [Int64] = []
        for (name, value) in members where !value.isNull {
            if name == PriceField.rangeName {
                // Whole numbers, which some tables write as 32e3.
                bounds = value.elements?.map { $0.number.flatMap { DecimalNumber($0)?.integer } ?? -1 } ?? []
            } else if let field = PriceField(name: name), field.threshold == nil {
                rates[field.kind] = try rate(name, value)
            }
        }
        guard bounds.count == 2, let range = PriceEntry.Range(start: bounds[0], end: bounds[1], rates: rates) else {
            throw EntryFault(value, "\(PriceField.rangeName) must be two whole numbers of tokens, as in [0, 32000]")
        }
        return range
    }

    private static func rate(_ name: String, _ value: JSONValue) throws(EntryFault) -> Rate {
        guard let rate = value.number.flatMap({ DecimalNumber($0) }).flatMap(Rate.init) else {
            throw EntryFault(value, "\(name) \(PriceFault.rateForm)")
        }
        return rate
    }

    private static let form = "is not of the form that LiteLLM's table has"
}
