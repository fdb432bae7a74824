/// The models of one source of prices, in its order. If a key occurs twice, the later entry replaces the earlier one.
package struct PriceLayer: Sendable {
    private(set) var models: [PricedModel] = []
    /// By key.
    private var places: [String: Int] = [:]

    package init() {}

    package mutating func put(_ model: PricedModel) {
        if let place = places[model.key] {
            models[place] = model
        } else {
            places[model.key] = models.count
            models.append(model)
        }
    }

    package subscript(key: String) -> PricedModel? { places[key].map { models[$0] } }
}
