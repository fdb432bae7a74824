/// Prices by key, in layers: the shipped ones, those of files in their order, and those of the configuration.
package struct PriceTable: Sendable {
    private(set) var layers: [[String: PriceListing]] = []

    package init() {}

    /// Adds the entries of a file as the top layer: each replaces the whole entry of its key.
    package mutating func add(_ file: PriceFile) {
        layers.append(file.listings)
    }

    /// Adds prices as the top layer.
    package mutating func add(_ prices: [String: Price]) {
        layers.append(prices.mapValues(PriceListing.price))
    }
}
