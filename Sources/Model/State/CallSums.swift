/// Totals over several sets. 128 bits: a sum over sets may pass what one set may hold.
package struct CallSums: Equatable, Sendable {
    package private(set) var calls: Int128 = 0
    package private(set) var failedCalls: Int128 = 0
    package private(set) var tokens: Int128 = 0
    /// In 1e-12 USD, of calls whose cost is known.
    package private(set) var picoUSD: Int128 = 0
    package private(set) var unpricedCalls: Int128 = 0
    /// Whether the cost of any call is known, or the equivalent of one that a subscription pays for.
    package private(set) var isCostKnown = false

    package init() {}

    package mutating func add(_ totals: CallTotals) {
        calls += Int128(totals.calls.total)
        failedCalls += Int128(totals.failedCalls)
        tokens += Int128(totals.tokens)
        picoUSD += totals.cost?.picoUSD ?? 0
        unpricedCalls += Int128(totals.unpricedCalls)
        isCostKnown = isCostKnown || totals.cost != nil || totals.planEquivalent != nil
    }
}
