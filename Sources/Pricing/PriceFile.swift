internal import Model

/// The prices of one file in the shape of LiteLLM's model price table (docs/prices.md).
package struct PriceFile: Sendable {
    let layer: PriceLayer
    /// Values that are allowed and yet look like mistakes, each with its line and key.
    package let doubts: [PriceFault]
    /// The day on which the shipped prices were made; `nil` for other files.
    let madeOn: Instant?

    /// - Parameters:
    ///   - text: JSON (RFC 8259). The bytes behind it are not looked at.
    ///   - isShipped: whether it is the shipped table, which says when it was made (scripts/update-prices).
    /// - Throws: if it is not a JSON object of objects, or holds an invalid price; names the line and the key.
    package init(
        _ text: borrowing Span<UInt8>, spellings: ProviderSpellings, isShipped: Bool = false
    ) throws(PriceFault) {
        var layer = PriceLayer()
        var fields = PriceFields()
        var doubts: [PriceFault] = []
        var madeOn: Instant?
        try PriceFileMembers.forEach(in: text) { key, value throws(PriceFileValue.Fault) in
            // It explains the fields to people; its values are words.
            if key == "sample_spec" { return }
            if key == "_source", isShipped {
                madeOn = value.date
                return
            }
            let read = try PriceEntry(value, provider: nil, &fields) {
                doubts.append(PriceFault($0, in: key))
            }
            guard let entry = read else { return }
            do throws(PriceFault) {
                // One price for all models that cost the same.
                var prices: [PriceEntry.Traits: Price?] = [:]
                func list(_ key: String, of provider: String) throws(PriceFault) {
                    let traits = try entry.traits(key: key, provider: spellings.canonical(provider))
                    let price = if let known = prices[traits] { known } else { try entry.price(traits) }
                    prices[traits] = .some(price)
                    layer.put(PricedModel(key: key, provider: provider, price: price))
                }
                try list(key, of: entry.provider)
                for (provider, keys) in entry.also { for key in keys { try list(key, of: provider) } }
            } catch {
                throw value.fault(error.description)
            }
        }
        self.layer = layer
        self.doubts = doubts
        self.madeOn = madeOn
    }

    package init(_ text: [UInt8], spellings: ProviderSpellings) throws(PriceFault) {
        try self.init(text.span, spellings: spellings)
    }

    /// The prices that ship with the program.
    package static func shipped(_ spellings: ProviderSpellings) throws(PriceFault) -> PriceFile {
        try ShippedFile.prices.withText { text throws(PriceFault) in
            try PriceFile(text, spellings: spellings, isShipped: true)
        }
    }
}

extension PriceFileValue {
    /// The member `date`, as in `2026-11-30`; `nil` if there is none.
    fileprivate var date: Instant? {
        guard case .object(let members) = content,
            case .string(let text)? = members.first(where: { $0.name == "date" })?.value.content
        else { return nil }
        let parts = text.split(separator: "-").compactMap { Int($0) }
        guard parts.count == 3, let date = CivilDate(year: parts[0], month: parts[1], day: parts[2]) else { return nil }
        return Instant(unixMilliseconds: Int64(date.daysSince1970) * 86_400_000)
    }
}
