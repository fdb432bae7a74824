internal import Model

extension Money {
    private static let picoUSDPerUSD: Int128 = 1_000_000_000_000

    var wholeUSD: Int64 { Int64(picoUSD / Self.picoUSDPerUSD) }
    var remainingPicoUSD: Int64 { Int64(picoUSD % Self.picoUSDPerUSD) }

    /// - Returns: `nil` if both are absent: no call had a price.
    init?(storedUSD: Int64?, picoUSD: Int64?) throws(StoreError) {
        guard let storedUSD, let picoUSD else { return nil }
        guard let money = Money(picoUSD: Int128(storedUSD) * Self.picoUSDPerUSD + Int128(picoUSD)) else {
            throw StoreError(.damaged, "not an amount of money")
        }
        self = money
    }
}
