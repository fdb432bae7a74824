/// The totals that were forgotten.
package struct ForgottenTotals: Sendable {
    /// Sets that were removed.
    package private(set) var series = 0
    package private(set) var sums = CallSums()
    /// Whether nothing is left of the agent, its calls in flight included.
    package internal(set) var removesAgent = false

    /// Whether the selection named nothing that exists.
    package var isEmpty: Bool { series == 0 && !removesAgent }

    mutating func add(_ totals: CallTotals) {
        series += 1
        sums.add(totals)
    }
}
