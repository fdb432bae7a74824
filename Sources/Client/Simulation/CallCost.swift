internal import FoundationEssentials

/// The cost of a call at the prices of gpt-4o-mini: 0.15 USD for a million input tokens, 0.60 USD for a million output
/// tokens.
///
/// An integer of 1e-12 USD, the unit in which the exporter sums money, so that both sums can be equal.
struct CallCost: Equatable, Sendable {
    private static let picoUSDPerInputToken: Int64 = 150_000
    private static let picoUSDPerOutputToken: Int64 = 600_000

    let picoUSD: Int64

    init(of usage: Usage) {
        picoUSD = usage.inputTokens * Self.picoUSDPerInputToken + usage.outputTokens * Self.picoUSDPerOutputToken
    }

    /// Exact.
    var usd: Decimal { Decimal(picoUSD) / 1_000_000_000_000 }
}
