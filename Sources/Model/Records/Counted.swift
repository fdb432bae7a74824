/// The part of a record that is added to the totals.
enum Counted: Sendable {
    case call
    /// Tokens and cost that a further report adds to a call that is counted.
    case amounts
    /// The same, for a call that was counted without usage.
    case firstAmounts
}
