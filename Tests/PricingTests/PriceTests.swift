import Model
import Testing

@testable import Pricing

@Suite("A price") struct PriceTests {
    private static let labels = SeriesLabels(
        agentName: LabelValue("A"), provider: LabelValue("p"), model: LabelValue("m"))

    private static func cost(_ fields: String, _ usage: Usage, provider: String = "p", isSuccess: Bool = true) throws
        -> ComputedCost
    {
        let file = try PriceFile(
            Array(#"{"m": {"litellm_provider": "\#(provider)", \#(fields)}}"#.utf8), spellings: ProviderSpellings())
        let price = try #require(file.layer["m"]?.price)
        return Price.cost(of: record(usage, isSuccess: isSuccess), by: [price])
    }

    private static func record(_ usage: Usage, isSuccess: Bool) -> CallRecord {
        CallRecord(labels: labels, status: isSuccess ? CallRecord.success : LabelValue("error"), usage: usage)
    }

    private static func usd(_ text: String) -> ComputedCost {
        DecimalNumber(text.utf8).flatMap(Money.init(rounding:)).map(ComputedCost.amount) ?? .unpriced
    }

    private static let flat = #""input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6"#
    private static let allRates =
        flat + #", "cache_read_input_token_cost": 1e-7, "cache_creation_input_token_cost": 2.5e-6, "#
        + #""output_cost_per_reasoning_token": 1e-5"#
    private static let all = Usage(input: 1000, output: 100, cacheRead: 300, cacheWrite: 200, reasoning: 40)

    @Test(
        "charges each kind of tokens by its rate, or by the rate of the kind that it is part of",
        arguments: [
            (flat, Usage(input: 1000, output: 100), "0.0028"),
            (allRates, all, "0.00241"),
            (flat, all, "0.0028"),
            // An explicit 0 is a price.
            (flat + #", "cache_read_input_token_cost": 0, "output_cost_per_reasoning_token": 0"#, all, "0.00188"),
            (flat, Usage(input: 0, output: 0), "0"),
            (flat, Usage(output: 100), "0.0008"),
            (flat + #", "cache_read_input_token_cost": null, "max_tokens": "many""#, all, "0.0028"),
        ])
    func kinds(fields: String, usage: Usage, cost: String) throws {
        #expect(try Self.cost(fields, usage) == Self.usd(cost))
    }

    @Test(
        "rounds once, half to even, to 1e-12 USD",
        arguments: [
            ("5e-13", 1, "0"), ("5e-13", 3, "0.000000000002"), ("5.00000000001e-13", 1, "0.000000000001"),
            ("1e-13", 14, "0.000000000001"), ("1e-13", 15, "0.000000000002"), ("1e-13", 25, "0.000000000002"),
            // As some tables write 5e-8: exact all the same.
            ("5.0000000000000004e-08", 1_000_000_000_000, "50000.000000000004"),
            ("10", 1_000_000_000_000, "10000000000000"), ("1e-24", 1_000_000_000_000, "0.000000000001"),
        ])
    func rounding(rate: String, tokens: Int64, cost: String) throws {
        let fields = #""input_cost_per_token": \#(rate), "output_cost_per_token": 0"#
        #expect(try Self.cost(fields, Usage(input: tokens)) == Self.usd(cost))
    }

    @Test(
        "of a tier holds for the whole call above its threshold; a kind without a rate in the tier keeps its rate",
        arguments: [
            (128_000, 0, "0.128"), (128_001, 0, "0.256002"), (256_000, 0, "0.512"), (256_001, 0, "1.024004"),
            // By all input tokens, those from the cache included; the cache rate is the flat one in both tiers.
            (256_001, 256_001, "0.0256001"), (128_001, 128_000, "0.012802"),
        ])
    func tiers(input: Int64, cached: Int64, cost: String) throws {
        let fields = #"""
            "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6, "cache_read_input_token_cost": 1e-7,
            "input_cost_per_token_above_256k_tokens": 4e-6, "input_cost_per_token_above_128k_tokens": 2e-6,
            "input_cost_per_token_above_128k_tokens_priority": 9e-6
            """#
        #expect(try Self.cost(fields, Usage(input: input, cacheRead: cached)) == Self.usd(cost))
    }

    @Test(
        "of a tier holds from its threshold on for xAI, above it for all others",
        arguments: [("xai", "0.4"), ("p", "0.2")])
    func reach(provider: String, cost: String) throws {
        let fields =
            #""input_cost_per_token": 1e-6, "output_cost_per_token": 0, "input_cost_per_token_above_200k_tokens": 2e-6"#
        #expect(try Self.cost(fields, Usage(input: 200_000), provider: provider) == Self.usd(cost))
        #expect(try Self.cost(fields, Usage(input: 199_999), provider: provider) == Self.usd("0.199999"))
        #expect(try Self.cost(fields, Usage(input: 200_001), provider: provider) == Self.usd("0.400002"))
    }

    @Test(
        "of a range holds from above its start to its end, and beyond the last the last",
        arguments: [
            (0, "0.000001"), (1, "0.000002"), (32_000, "0.032001"), (32_001, "0.064004"), (128_000, "0.256002"),
            (128_001, "0.384006"), (9_000_000, "27.000003"),
        ])
    func ranges(input: Int64, cost: String) throws {
        let fields = #"""
            "output_cost_per_token": 3e-6, "tiered_pricing": [
                {"range": [32e3, 128000.0], "input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6},
                {"range": [0, 32000], "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
                {"range": [128000, 256000], "input_cost_per_token": 3e-6}]
            """#
        #expect(try Self.cost(fields, Usage(input: input, output: 1)) == Self.usd(cost))
    }

    @Test("of a range takes cached tokens for input, whatever the entry says of them")
    func cacheInRanges() throws {
        let fields = #"""
            "cache_read_input_token_cost": 1e-9, "tiered_pricing": [
                {"range": [0, 100], "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6},
                {"range": [100, 200], "input_cost_per_token": 2e-6, "cache_read_input_token_cost": 5e-7,
                 "output_cost_per_token": 1e-6, "output_cost_per_reasoning_token": 4e-6}]
            """#
        #expect(try Self.cost(fields, Usage(input: 100, cacheRead: 100)) == Self.usd("0.0001"))
        #expect(
            try Self.cost(fields, Usage(input: 200, output: 2, cacheRead: 100, reasoning: 1)) == Self.usd("0.000255"))
    }

    @Test("is unknown for tokens of a kind without a rate, and for a total without kinds")
    func unknown() throws {
        let inputOnly = #""input_cost_per_token": 1e-6"#
        #expect(try Self.cost(inputOnly, Usage(input: 7, output: 0)) == Self.usd("0.000007"))
        #expect(try Self.cost(inputOnly, Usage(input: 7, output: 1)) == .unpriced)
        #expect(try Self.cost(#""output_cost_per_token": 1e-6"#, Usage(input: 7)) == .unpriced)
        #expect(try Self.cost(Self.flat, Usage(total: 7)) == .unpriced)
        #expect(
            try Self.cost(#""input_cost_per_token": 0, "output_cost_per_token": 0.0"#, Usage(total: 7))
                == .amount(.zero))
    }

    @Test("of a total and one side takes the rest for the other side")
    func totals() throws {
        #expect(try Self.cost(Self.flat, Usage(input: 1000, total: 1100)) == Self.usd("0.0028"))
        #expect(try Self.cost(Self.flat, Usage(output: 100, total: 1100)) == Self.usd("0.0028"))
        #expect(try Self.cost(Self.flat, Usage(input: 1000, total: 1000)) == Self.usd("0.002"))
        // Both sides go before a total that says otherwise, as thinking may be in neither.
        #expect(try Self.cost(Self.flat, Usage(input: 1000, output: 100, total: 2000)) == Self.usd("0.0028"))
        // Some senders write 0 for an unknown count.
        #expect(try Self.cost(Self.flat, Usage(input: 1000, total: 0)) == Self.usd("0.002"))
        #expect(try Self.cost(Self.flat, Usage(output: 100, total: 99)) == Self.usd("0.0008"))
        // By the tier of all input, also if that is derived.
        let tiered = Self.flat + #", "input_cost_per_token_above_1k_tokens": 4e-6"#
        #expect(try Self.cost(tiered, Usage(output: 0, total: 1001)) == Self.usd("0.004004"))
    }

    @Test("of a call without usage is missing if it succeeded, and 0 if it failed")
    func withoutUsage() throws {
        #expect(try Self.cost(Self.flat, Usage()) == .usageMissing)
        #expect(try Self.cost(Self.flat, Usage(), isSuccess: false) == .amount(.zero))
        // The same without a price: it is never unpriced.
        #expect(Price.cost(of: Self.record(Usage(), isSuccess: false), by: []) == .amount(.zero))
        #expect(Price.cost(of: Self.record(Usage(), isSuccess: true), by: []) == .usageMissing)
        #expect(Price.cost(of: Self.record(Usage(input: 1), isSuccess: false), by: []) == .unpriced)
        // The provider may have gone on after its caller gave up.
        for status in ["timeout", "cancelled"] {
            let record = CallRecord(labels: Self.labels, status: LabelValue(status))
            #expect(Price.cost(of: record, by: []) == .usageMissing)
        }
    }
}
