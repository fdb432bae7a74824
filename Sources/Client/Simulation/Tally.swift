internal import FoundationEssentials

/// Totals of some calls, exact to the last digit.
///
/// Decimals throughout: an exporter may answer any number, and decimals do not trap on large ones.
struct Tally: Equatable, Sendable {
    var calls: Decimal = 0
    var errors: Decimal = 0
    var tokens: Decimal = 0
    var costUSD: Decimal = 0

    var successes: Decimal { calls - errors }

    static func - (after: Tally, before: Tally) -> Tally {
        Tally(
            calls: after.calls - before.calls, errors: after.errors - before.errors,
            tokens: after.tokens - before.tokens, costUSD: after.costUSD - before.costUSD)
    }

    /// The totals by name, in the order of the report.
    var figures: [(name: String, value: Decimal)] {
        [("calls", calls), ("success", successes), ("errors", errors), ("tokens", tokens), ("cost in USD", costUSD)]
    }
}
