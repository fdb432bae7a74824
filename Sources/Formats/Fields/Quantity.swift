internal import Model

/// The bounds of a field that is a number, and how it is kept.
struct Quantity {
    /// The largest value, as a person writes it.
    let bound: Int64
    /// Kept in units of 10^-scale.
    let scale: Int
    let isInteger: Bool

    static let tokens = Quantity(bound: 1_000_000_000_000, scale: 0, isInteger: true)
    static let searches = Quantity(bound: 1_000_000, scale: 0, isInteger: true)
    /// USD, kept in 1e-12 USD.
    static let cost = Quantity(bound: 1_000_000, scale: Money.scale, isInteger: false)
    /// Milliseconds, kept in microseconds.
    static let latency = Quantity(bound: 86_400_000, scale: 3, isInteger: false)
    static let megabytes = Quantity(bound: 1_000_000_000, scale: 0, isInteger: false)

    /// Why a number was not taken.
    enum Fault: Error {
        case notInteger, outOfRange
    }

    @inline(never)
    func fault(_ fault: Fault, _ field: Field, _ token: BorrowedBytes) -> RecordFault {
        switch fault {
        case .notInteger: .notInteger(field, Excerpt(token), bound: bound)
        case .outOfRange: .outOfRange(field, Excerpt(token), bound: bound)
        }
    }

    /// The number in units of 10^-scale, rounded half to even.
    func units(_ token: BorrowedBytes) throws(Fault) -> Int64 {
        if let units = plainUnits(token) {
            guard units <= limit else { throw .outOfRange }
            return units
        }
        let number = try checked(token)
        guard let units = number.magnitude(scale: scale).flatMap(Int64.init(exactly:)) else { throw .outOfRange }
        return units
    }

    /// The number as the nearest `Double`.
    func double(_ token: BorrowedBytes) throws(Fault) -> Double {
        let value = token.double
        // Rounding never crosses the bound: a value strictly within it needs no exact check.
        if value > 0, value < Double(bound) { return value }
        _ = try checked(token)
        // Minus zero becomes 0.
        return value == 0 ? 0 : value
    }

    private var limit: Int64 { bound * Self.power(scale) }

    /// Exact for digits with at most one point that fit into 64 bits, as nearly all do; `nil` for all others.
    private func plainUnits(_ token: BorrowedBytes) -> Int64? {
        // 18 digits fit, and a point.
        guard token.count <= 19 else { return nil }
        var significand: Int64 = 0
        var digits = 0
        var point = -1
        for byte in token {
            let digit = byte &- UInt8(ascii: "0")
            if digit < 10 {
                significand = significand &* 10 &+ Int64(digit)
                digits += 1
            } else if byte == UInt8(ascii: "."), !isInteger {
                point = digits
            } else {
                return nil
            }
        }
        let missing = scale - (point < 0 ? 0 : digits - point)
        guard digits <= 18, missing >= 0 else { return nil }
        let (units, overflow) = significand.multipliedReportingOverflow(by: Self.power(missing))
        return overflow ? nil : units
    }

    private func checked(_ token: BorrowedBytes) throws(Fault) -> DecimalNumber {
        // The reader has checked the grammar.
        guard let number = DecimalNumber(token) else { throw .outOfRange }
        if isInteger, !number.isWhole { throw .notInteger }
        guard !number.isNegative, let magnitude = number.magnitude(scale: Self.comparisonScale),
            magnitude <= Int128(bound) * Self.comparisonUnit
        else { throw .outOfRange }
        return number
    }

    /// Compared at 20 decimal places, the most that 128 bits hold for the largest bound.
    private static let comparisonScale = 20
    private static let comparisonUnit: Int128 = 100_000_000_000_000_000_000

    private static func power(_ exponent: Int) -> Int64 {
        var result: Int64 = 1
        for _ in 0..<exponent { result &*= 10 }
        return result
    }
}
