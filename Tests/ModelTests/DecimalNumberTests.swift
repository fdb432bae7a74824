import Testing

@testable import Model

@Suite("Decimal number") struct DecimalNumberTests {
    @Test(
        "takes exactly the number grammar of RFC 8259",
        arguments: [
            "0", "-0", "1", "10", "0.5", "-1.25", "1e3", "1E+3", "1e-3", "0e0", "0.0e-0", "1e0000001", "1e99999999999",
        ]
    )
    func grammar(token: String) {
        #expect(DecimalNumber(token.utf8) != nil)
    }

    @Test(
        "refuses all else",
        arguments: [
            "", "-", "+1", "01", "00", "-01", ".5", "1.", "1.e3", "1e", "1e+", "1e-", "1e1.0", " 1", "1 ", "1,0", "0x1",
            "NaN", "Infinity", "-Infinity", "1_000", "--1", "1e--1", "\"1\"", "1\u{0}", "٣",
        ])
    func grammarRefuses(token: String) {
        #expect(DecimalNumber(token.utf8) == nil)
    }

    /// Token, scale, the expected magnitude.
    static let roundings: [(String, Int, Int128?)] = [
        ("0", 12, 0), ("-0.0", 12, 0), ("0.0000000000005", 12, 0), ("0.0000000000015", 12, 2),
        ("0.0000000000025", 12, 2), ("0.0000000000035", 12, 4),
        // Not a tie, because of one digit far behind.
        ("0.0000000000005000000000000000000000000000000000000000000000001", 12, 1),
        ("0.0000000000025000000000000000000000000000000000000000000000001", 12, 3),
        ("0.00000000000249999999999999999999999999999999999999999999999999", 12, 2),
        ("0.0000000000025000000000000000000000000000000000000000000000000", 12, 2),
        // Digits past those that are kept.
        ("1234567890123456789012345678901234568.5", 0, 1_234_567_890_123_456_789_012_345_678_901_234_568),
        ("1234567890123456789012345678901234567.5", 0, 1_234_567_890_123_456_789_012_345_678_901_234_568),
        ("1234567890123456789012345678901234568.50000001", 0, 1_234_567_890_123_456_789_012_345_678_901_234_569),
        ("1234567890123456789012345678901234568.4999", 0, 1_234_567_890_123_456_789_012_345_678_901_234_568),
        ("0.000000000000000000000000000000000000005", 38, 0), ("0.000000000000000000000000000000000000015", 38, 2),
        // Exponents.
        ("1e-13", 12, 0), ("5e-13", 12, 0), ("6e-13", 12, 1), ("15e-13", 12, 2), ("150000000000000e-26", 12, 2),
        ("1e999999999", 12, nil), ("1e-999999999", 12, 0), ("0e999999999", 12, 0),
        ("1e26", 12, 100_000_000_000_000_000_000_000_000_000_000_000_000), ("2e26", 12, nil), ("1e27", 12, nil),
        ("1e25", 12, 10_000_000_000_000_000_000_000_000_000_000_000_000),
        ("99999999999999999999999999999999999999e-38", 0, 1), ("99999999999999999999999999999999999999e-39", 0, 0),
        ("50000000000000000000000000000000000000e-38", 0, 0),
        ("50000000000000000000000000000000000001e-38", 0, 1), ("5e-1", 0, 0), ("15e-1", 0, 2),
        ("99999999999999999999999999999999999999e-40", 0, 0),
        ("50000000000000000000000000000000000000e-39", 0, 0),
        ("170141183460469231731687303715884105730", 0, nil), ("340282366920938463463374607431768211457", 0, nil),
    ]

    @Test("rounds half to even, looking at every digit", arguments: roundings)
    func rounding(token: String, scale: Int, expected: Int128?) throws {
        #expect(try #require(DecimalNumber(token.utf8)).magnitude(scale: scale) == expected)
    }

    @Test("weighs an exponent against as many zeros, however many")
    func longTokens() throws {
        let zeros = String(repeating: "0", count: 1_200_000)
        #expect(try #require(DecimalNumber("0.\(zeros)1e1200001".utf8)).integer == 1)
        #expect(try #require(DecimalNumber("1\(zeros)e-1200000".utf8)).integer == 1)
    }

    @Test("agrees with exact arithmetic on random numbers near ties")
    func randomRounding() throws {
        var random = Seeded(1)
        for _ in 0..<20_000 {
            // value = whole + fraction / 10^digits, rounded to whole.
            let whole = UInt64.random(in: 0...9_999_999, using: &random)
            let digits = Int.random(in: 1...17, using: &random)
            let power = (0..<digits).reduce(UInt64(1)) { product, _ in product * 10 }
            let fraction =
                Bool.random(using: &random)
                ? power / 2 + UInt64.random(in: 0...2, using: &random) - 1
                : UInt64.random(in: 0..<power, using: &random)
            let twice = fraction * 2
            let roundsUp = twice > power || (twice == power && whole % 2 == 1)
            let expected = Int128(whole + (roundsUp ? 1 : 0))
            let padding = String(repeating: "0", count: digits - String(fraction).count)
            let shift = Int.random(in: -60...60, using: &random)
            let tokens = [
                "\(whole).\(padding)\(fraction)", "\(whole).\(padding)\(fraction)" + String(repeating: "0", count: 40),
                "-\(whole).\(padding)\(fraction)e0",
            ]
            for token in tokens {
                #expect(try #require(DecimalNumber(token.utf8)).magnitude(scale: 0) == expected, "\(token)")
            }
            let shifted = try #require(DecimalNumber("\(whole).\(padding)\(fraction)e\(shift)".utf8))
            #expect(shifted.magnitude(scale: -shift) == expected)
        }
    }

    @Test(
        "is whole when nothing but zeros stand behind the point",
        arguments: [
            ("5.0", 5), ("1e3", 1_000), ("5.5", nil), ("15e-1", nil), ("150e-1", 15), ("-3.0", -3), ("-0", 0),
            ("0.0", 0),
            ("0e-99", 0), ("1.000000000000000000000000000000000000000000001", nil),
            ("1.000000000000000000000000000000000000000000000", 1), ("9223372036854775807", .max),
            ("9223372036854775808", nil), ("-9223372036854775807", -.max), ("1e19", nil), ("1e99999999999", nil),
            ("1e-99999999999", nil), ("1000000000000e-12", 1), ("1000000000000e-13", nil),
            ("10000000000000000000000000000000000000000e-40", 1),
            ("0.000000000000000000000000000000000000000001e42", 1),
            ("100000000000000000000000000000000000000000000000000000000000e-59", 1),
            ("1000000000000000000000000000000000000000000000000000000000001e-60", nil),
        ] as [(String, Int64?)])
    func integers(token: String, expected: Int64?) throws {
        let number = try #require(DecimalNumber(token.utf8))
        #expect(number.integer == expected)
    }

    @Test(
        "is negative below 0 only",
        arguments: [("-0", false), ("-0.00e5", false), ("-1e-999", true), ("1", false), ("-2", true)])
    func sign(token: String, expected: Bool) throws {
        #expect(try #require(DecimalNumber(token.utf8)).isNegative == expected)
    }
}

@Suite("Plain decimal") struct PlainDecimalTests {
    @Test(
        "has no exponent, no trailing zeros, and a point where asked",
        arguments: [
            (0, 0, "0", "0.0"), (0, 12, "0", "0.0"), (1, 0, "1", "1.0"), (-1, 0, "-1", "-1.0"),
            (100_000, 6, "0.1", "0.1"),
            (1_000_000, 6, "1", "1.0"), (2_500_000, 6, "2.5", "2.5"), (10_000_000, 6, "10", "10.0"),
            (1, 12, "0.000000000001", "0.000000000001"), (-1_230, 2, "-12.3", "-12.3"),
            (123_456_789_012_345_678_901, 12, "123456789.012345678901", "123456789.012345678901"),
            (18_446_744_073_709_551_615, 0, "18446744073709551615", "18446744073709551615.0"),
            (18_446_744_073_709_551_616, 1, "1844674407370955161.6", "1844674407370955161.6"),
            (.max, 0, "170141183460469231731687303715884105727", "170141183460469231731687303715884105727.0"),
            (.min, 38, "-1.70141183460469231731687303715884105728", "-1.70141183460469231731687303715884105728"),
        ] as [(Int128, Int, String, String)])
    func text(value: Int128, scale: Int, plain: String, pointed: String) {
        #expect(PlainDecimal.text(value, scale: scale) == plain)
        #expect(PlainDecimal.text(value, scale: scale, keepsPoint: true) == pointed)
    }

    @Test("reads back as the same number, and leaves what stood before it alone")
    func roundTrip() throws {
        var random = Seeded(2)
        for _ in 0..<5_000 {
            let scale = Int.random(in: 0...12, using: &random)
            let value = Int128.random(in: 0...(.max), using: &random) >> Int128(Int.random(in: 2...127, using: &random))
            var bytes: [UInt8] = [1, 2]
            PlainDecimal.append(value, scale: scale, to: &bytes)
            #expect(bytes.starts(with: [1, 2]))
            let number = try #require(DecimalNumber(bytes.dropFirst(2)))
            // A number keeps 38 digits, an Int128 may have 39.
            if value < 10_000_000_000_000_000_000_000_000_000_000_000_000 {
                #expect(number.magnitude(scale: scale) == value)
            }
        }
    }
}

@Suite("Money") struct MoneyTests {
    @Test("is at most 1e18 USD")
    func bounds() throws {
        let most = try #require(DecimalNumber("1e18".utf8))
        #expect(Money(rounding: most) == Money.max)
        #expect(Money.max.description == "1000000000000000000")
        #expect(Money(rounding: try #require(DecimalNumber("1000000000000000000.0000000000005".utf8))) == Money.max)
        #expect(Money(rounding: try #require(DecimalNumber("1000000000000000000.000000000001".utf8))) == nil)
        #expect(Money(rounding: try #require(DecimalNumber("-0.000000000001".utf8))) == nil)
        #expect(Money(rounding: try #require(DecimalNumber("-0".utf8))) == .zero)
        #expect(Money(picoUSD: -1) == nil)
        #expect(Money(picoUSD: Money.max.picoUSD + 1) == nil)
    }

    @Test("adds up to the bound, and not past it")
    func adding() throws {
        let one = try #require(Money(picoUSD: 1))
        let nearly = try #require(Money(picoUSD: Money.max.picoUSD - 1))
        #expect(nearly.adding(one) == Money.max)
        #expect(Money.max.adding(one) == nil)
        #expect(Money.max.adding(.zero) == Money.max)
        #expect(Money.max.adding(.max) == nil)
        #expect(nearly < Money.max)
    }
}
