internal import FoundationEssentials

/// What tokens cost at the prices of gpt-4o-mini: 0.15 USD for a million of input, 0.60 for a million of output.
///
/// Kept in integers of 1e-12 USD, as the exporter sums money, so that what is sent and what is read back can be equal.
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
