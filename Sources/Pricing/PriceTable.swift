package import Model

/// Prices by key, in layers: the shipped ones, those of files in their order, and those of the configuration.
package struct PriceTable: Sendable {
    private(set) var layers: [PriceLayer] = []
    /// When the shipped prices were made; `nil` without them.
    package private(set) var madeOn: Instant?

    package init() {}

    /// Adds the entries of a file as the top layer: each replaces the whole entry of its key.
    package mutating func add(_ file: PriceFile) {
        layers.append(file.layer)
        madeOn = file.madeOn ?? madeOn
    }

    /// Adds prices as the top layer.
    package mutating func add(_ layer: PriceLayer) {
        layers.append(layer)
    }
}
