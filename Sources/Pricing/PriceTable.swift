private import CPriceTable
private import FoundationEssentials

/// Prices by key, later files over earlier ones.
package struct PriceTable: Sendable {
    package private(set) var prices: [String: Price] = [:]

    package init() {}

    /// Puts the entries of a file over those that are there: each replaces the whole entry of its key.
    package mutating func add(_ file: PriceFile) {
        for (key, price) in file.prices { prices[key] = price }
    }

    /// Puts one entry over the one of its key.
    package mutating func add(_ price: Price, for key: String) {
        prices[key] = price
    }
}

extension PriceFile {
    /// The prices within the program.
    package static func shipped(_ spellings: ProviderSpellings) throws(PriceFault) -> PriceFile {
        try PriceFile(unsafe Array(bytes(of: cpricetable_prices())), spellings: spellings)
    }
}

extension ProviderSpellings {
    /// The spellings within the program.
    package static func shipped() throws(PriceFault) -> ProviderSpellings {
        do {
            let file = unsafe bytes(of: cpricetable_providers())
            return ProviderSpellings(try JSONDecoder().decode([String: [String]].self, from: file))
        } catch {
            throw PriceFault("cannot be read: \(error)")
        }
    }
}

/// A copy of a constant of the program.
@unsafe private func bytes(of file: cpricetable_file) -> Data {
    unsafe Data(UnsafeBufferPointer(start: file.start, count: file.length))
}
