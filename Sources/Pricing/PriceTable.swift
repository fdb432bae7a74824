private import CPriceTable

/// Prices by key, in layers: the shipped ones, those of files in their order, and those of the configuration.
package struct PriceTable: Sendable {
    private(set) var layers: [[String: Price?]] = []

    package init() {}

    /// Lays the entries of a file over those that are there: each replaces the whole entry of its key.
    package mutating func add(_ file: PriceFile) {
        layers.append(file.prices)
    }

    /// Lays entries over those that are there.
    package mutating func add(_ prices: [String: Price]) {
        layers.append(prices.mapValues { $0 })
    }
}

extension PriceFile {
    /// The prices within the program.
    package static func shipped(_ spellings: ProviderSpellings) throws(PriceFault) -> PriceFile {
        try PriceFile(unsafe bytes(of: cpricetable_prices()), spellings: spellings)
    }
}

extension ProviderSpellings {
    /// The spellings within the program.
    package static func shipped() throws(PriceFault) -> ProviderSpellings {
        var aliases: [(spelling: String, canonical: String)] = []
        try JSONValue.forEachMember(of: unsafe bytes(of: cpricetable_providers())) {
            canonical, names throws(PriceFault) in
            for name in names.elements ?? [] {
                guard let spelling = name.string else { throw PriceFault("line \(name.line): must be a text") }
                aliases.append((spelling, canonical))
            }
        }
        return try ProviderSpellings().adding(aliases)
    }
}

/// A copy of a constant of the program.
@unsafe private func bytes(of file: cpricetable_file) -> [UInt8] {
    unsafe Array(UnsafeBufferPointer(start: file.start, count: file.length))
}
