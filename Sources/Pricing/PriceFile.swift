/// The prices of one file in the shape of LiteLLM's model price table (docs/prices.md).
package struct PriceFile: Sendable {
    /// By key: `model` or `provider/model`.
    let listings: [String: PriceListing]
    /// Values that are allowed and yet look like mistakes, each with its line and key.
    package let doubts: [PriceFault]

    /// - Parameter text: JSON (RFC 8259). The bytes behind it are not looked at.
    /// - Throws: if it is not a JSON object of objects, or holds an invalid price; names the line and the key.
    package init(_ text: borrowing Span<UInt8>, spellings: ProviderSpellings) throws(PriceFault) {
        var listings: [String: PriceListing] = [:]
        var doubts: [PriceFault] = []
        try PriceFileMembers.forEach(in: text) { key, entry throws(PriceFileValue.Fault) in
            // It explains the fields to people; its values are words.
            if key == "sample_spec" { return }
            // If a key occurs twice, the later entry replaces the earlier one, as with keys in two files.
            let listing = try PriceListing(entry, key: key, spellings: spellings) {
                doubts.append(PriceFault($0, in: key))
            }
            if let listing { listings[key] = listing }
        }
        self.listings = listings
        self.doubts = doubts
    }

    package init(_ text: [UInt8], spellings: ProviderSpellings) throws(PriceFault) {
        try self.init(text.span, spellings: spellings)
    }

    /// The prices that ship with the program.
    package static func shipped(_ spellings: ProviderSpellings) throws(PriceFault) -> PriceFile {
        try ShippedFile.prices.withText { text throws(PriceFault) in try PriceFile(text, spellings: spellings) }
    }
}
