/// The models of the price table by which a call is billed.
package struct PriceMatch: Sendable {
    /// One, or several that may be meant: the call has a price if it costs the same by all of them.
    package let models: [PricedModel]
    /// How they were found, beside by their own names.
    var ways: [Way] = []

    /// A step of a look-up, by which a name led to the models.
    enum Way: Sendable {
        case alias(String)
        case shortened(NameStep)
        case otherCase, prefix, framework, responseModel
    }

    /// Empty if a model is known, and has no price.
    package var prices: [Price] { models.count == 1 ? models[0].price.map { [$0] } ?? [] : models.compactMap(\.price) }

    /// Why calls without a reported cost are unpriced nevertheless; `nil` if they have a price.
    package var obstacle: String? {
        guard let first = prices.first else {
            return "it is not billed by tokens alone, or its price is not known"
        }
        if prices.contains(where: \.isIncomplete) { return "it also charges for citations, which no record reports" }
        guard prices.allSatisfy({ $0.standard == first.standard && $0.fees == first.fees }) else {
            return "several models have this name and cost differently: \(models.map(\.key).joined(separator: ", "))"
        }
        return nil
    }

    func found(by way: Way) -> PriceMatch { PriceMatch(models: models, ways: [way] + ways) }

    /// How they were found, for people: `as provider/model`, say.
    package var steps: String {
        let own = models.count == 1 ? "as \(models[0].key)" : "as one of \(models.count) models, if all cost the same"
        return (ways.map(\.title) + [own]).joined(separator: ", ")
    }
}

extension PriceMatch.Way {
    fileprivate var title: String {
        switch self {
        case .alias(let name): "by the alias \(name)"
        case .shortened(let step): step.title
        case .otherCase: "without regard to case"
        case .prefix: "by the provider in the model's name"
        case .framework: "by the model alone, as the provider is a framework"
        case .responseModel: "by the model of the response"
        }
    }
}
