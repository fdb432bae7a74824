/// The cost of one call by a price table.
package enum ComputedCost: Equatable, Sendable {
    case amount(Money)
    /// The call reports no tokens, and may have been billed.
    case usageMissing
    /// There is no price for the model, or for the kinds of tokens that the call used.
    case unpriced
}
