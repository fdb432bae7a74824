/// Totals over several sets. 128 bits: a sum over sets may pass what one set may hold.
package struct CallSums: Equatable, Sendable {
    package private(set) var calls: Int128 = 0
    package private(set) var failedCalls: Int128 = 0
    package private(set) var tokens: Int128 = 0
    /// In 1e-12 USD, of calls whose cost is known.
    package private(set) var picoUSD: Int128 = 0

    package init() {}

    package mutating func add(_ totals: CallTotals) {
        calls += Int128(totals.calls.total)
        failedCalls += Int128(totals.failedCalls)
        tokens += Int128(totals.tokens)
        picoUSD += totals.cost?.picoUSD ?? 0
    }
}
