/// Facts beside its tokens that a call's price depends on. A class, as most records have none of it.
package final class CallDetails: Sendable {
    package let serviceTier: ServiceTier
    /// Searches of the web that the provider bills for; `nil` if they were not reported.
    package let webSearches: Int64?
    /// `nil` is the provider's default.
    package let searchContextSize: SearchContextSize?
    /// The model that answered. Prices are looked up by it if the model of the labels has none.
    package let responseModel: LabelValue?
    /// `nil` if the sender does not say how the call is billed.
    package let billing: Billing?
    /// The call's values of the attributes that `plans` in the configuration names.
    package let attributes: [String: String]

    package static let none = CallDetails()

    package init(
        serviceTier: ServiceTier = .standard, webSearches: Int64? = nil, searchContextSize: SearchContextSize? = nil,
        responseModel: LabelValue? = nil, billing: Billing? = nil, attributes: [String: String] = [:]
    ) {
        self.serviceTier = serviceTier
        self.webSearches = webSearches
        self.searchContextSize = searchContextSize
        self.responseModel = responseModel
        self.billing = billing
        self.attributes = attributes
    }

    /// The same with attributes.
    package func with(_ attributes: [String: String]) -> CallDetails { with(webSearches: webSearches, attributes) }

    /// The same with other searches.
    func with(webSearches: Int64?) -> CallDetails { with(webSearches: webSearches, attributes) }

    private func with(webSearches: Int64?, _ attributes: [String: String]) -> CallDetails {
        CallDetails(
            serviceTier: serviceTier, webSearches: webSearches, searchContextSize: searchContextSize,
            responseModel: responseModel, billing: billing, attributes: attributes)
    }
}

/// How a provider served a call: each has prices of its own.
package enum ServiceTier: Sendable, CaseIterable {
    case standard, batch, flex, priority
}

/// How much of the web a search reads.
package enum SearchContextSize: String, Sendable, CaseIterable {
    case low, medium, high
}

/// How a call is paid for.
package enum Billing: String, Sendable {
    /// By the call.
    case metered
    /// By a subscription: what the call would cost is shown apart.
    case plan
}
