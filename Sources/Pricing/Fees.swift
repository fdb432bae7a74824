package import Model

/// Charges of a call beside its tokens.
package struct Fees: Equatable, Sendable {
    /// By the size of the search context; a size without a fee has none that is known.
    package var search: [SearchContextSize: Rate] = [:]
    package var unit = Unit.search
    package var defaultSize = SearchContextSize.medium
    /// For each request.
    package var request: Rate?

    /// The event that a search fee is charged for.
    package enum Unit: Sendable {
        /// Each search.
        case search
        /// A call that searches, however often.
        case searchingCall
        /// Each call: the model always searches, once as far as it does not say otherwise.
        case searchOrCall
        /// Each call, once.
        case call
    }

    package var isEmpty: Bool { search.isEmpty && request == nil }

    /// In 1e-24 USD; `nil` if the fee for a search is not known.
    func units(of details: CallDetails?) -> Int128? {
        let request = request?.units ?? 0
        let searches = details?.webSearches ?? 0
        // A model without search fees charges no call for them.
        let charged: Int64 =
            switch unit {
            case .search: searches
            case .searchingCall: min(1, searches)
            case .searchOrCall: search.isEmpty ? searches : max(1, searches)
            case .call: search.isEmpty ? searches : 1
            }
        if charged == 0 { return request }
        guard let fee = search[details?.searchContextSize ?? defaultSize] else { return nil }
        return request + Int128(charged) * fee.units
    }
}
