import Model
import Testing

@testable import Pricing

@Suite("Fees") struct FeeTests {
    private static let flat = #""input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6"#
    private static let sizes = #"""
        "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_medium": 0.008,
        "search_context_size_high": 0.012}
        """#

    /// The cost of a call with 1,000 input and 100 output tokens, which cost 0.0012 USD.
    private static func cost(
        _ fields: String, key: String = "m", provider: String = "p", searches: Int64? = nil,
        size: SearchContextSize? = nil
    ) throws -> String? {
        let details = CallDetails(webSearches: searches, searchContextSize: size)
        return try PricingTests.cost(
            "\(flat), \(fields)", call(input: 1000, output: 100, details), key: key, provider: provider)
    }

    @Test(
        "a search costs the fee of its size, medium if it names none",
        arguments: [
            (nil, nil, "0.0012"), (0, nil, "0.0012"), (1, nil, "0.0092"), (3, nil, "0.0252"), (1, .low, "0.0062"),
            (2, .medium, "0.0172"), (2, .high, "0.0252"), (nil, .high, "0.0012"),
        ] as [(Int64?, SearchContextSize?, String)])
    func searches(count: Int64?, size: SearchContextSize?, cost: String) throws {
        for provider in ["openai", "anthropic", "xai", "vertex_ai"] {
            #expect(try Self.cost(Self.sizes, provider: provider, searches: count, size: size) == cost)
        }
    }

    @Test(
        "Perplexity charges each call once, whatever it searched, and low if it names no size",
        arguments: [
            (nil, nil, "0.0062"), (0, nil, "0.0062"), (1, nil, "0.0062"), (7, nil, "0.0062"), (nil, .medium, "0.0092"),
            (3, .high, "0.0132"),
        ] as [(Int64?, SearchContextSize?, String)])
    func perplexity(count: Int64?, size: SearchContextSize?, cost: String) throws {
        #expect(try Self.cost(Self.sizes, provider: "perplexity", searches: count, size: size) == cost)
    }

    @Test(
        "Gemini charges a call that searched once, and each search only where the entry says so",
        arguments: [
            ("gemini", "gemini/gemini-x", "", nil, "0.0012"), ("gemini", "gemini/gemini-x", "", 0, "0.0012"),
            ("gemini", "gemini/gemini-x", "", 1, "0.0092"), ("gemini", "gemini/gemini-x", "", 4, "0.0092"),
            ("gemini", "gemini/gemini-x", "per_prompt", 4, "0.0092"),
            ("gemini", "gemini/gemini-x", "per_query", 4, "0.0332"), ("vertex_ai", "gemini-x", "", 4, "0.0092"),
            ("vertex_ai", "gemini-x", "per_query", 4, "0.0332"),
            // Other models of Vertex AI charge as their makers do.
            ("vertex_ai", "claude-x", "", 4, "0.0332"),
        ] as [(String, String, String, Int64?, String)])
    func gemini(provider: String, key: String, unit: String, count: Int64?, cost: String) throws {
        let fields = unit.isEmpty ? Self.sizes : Self.sizes + #", "web_search_billing_unit": "\#(unit)""#
        #expect(try Self.cost(fields, key: key, provider: provider, searches: count) == cost)
    }

    @Test(
        "models that search in each call charge at least one search",
        arguments: [
            ("gpt-4o-search-preview", "openai", nil, "0.0092"), ("gpt-4o-search-preview", "openai", 0, "0.0092"),
            ("gpt-4o-mini-search-preview-2025-03-11", "openai", 1, "0.0092"),
            ("gpt-5-search-api", "openai", 2, "0.0172"), ("azure/gpt-4o-search-preview", "azure", nil, "0.0092"),
            ("gpt-4o", "openai", nil, "0.0012"), ("gpt-4o-search-preview", "acme", nil, "0.0012"),
        ] as [(String, String, Int64?, String)])
    func alwaysSearching(key: String, provider: String, count: Int64?, cost: String) throws {
        #expect(try Self.cost(Self.sizes, key: key, provider: provider, searches: count) == cost)
    }

    @Test(
        "a search without a fee of its size makes the call unpriced",
        arguments: [
            (#""input_cost_per_request": 0"#, "p", 1, nil, nil),
            (#""search_context_cost_per_query": {"search_context_size_low": 0.005}"#, "p", 1, nil, nil),
            (#""search_context_cost_per_query": {"search_context_size_low": 0.005}"#, "p", 1, .low, "0.0062"),
            (#""search_context_cost_per_query": {"search_context_size_low": 0.005}"#, "p", 0, .high, "0.0012"),
            (#""search_context_cost_per_query": {"search_context_size_medium": 0.005}"#, "perplexity", nil, nil, nil),
            // A model of Perplexity that never searches.
            (#""input_cost_per_request": 0"#, "perplexity", nil, nil, "0.0012"),
            (#""input_cost_per_request": 0"#, "perplexity", 1, nil, nil),
            // An explicit 0 is a fee.
            (#""search_context_cost_per_query": {"search_context_size_medium": 0}"#, "p", 5, nil, "0.0012"),
        ] as [(String, String, Int64?, SearchContextSize?, String?)])
    func missingFees(fields: String, provider: String, count: Int64?, size: SearchContextSize?, cost: String?) throws {
        #expect(try Self.cost(fields, provider: provider, searches: count, size: size) == cost)
    }

    @Test("the fee of a request is charged once a call, beside searches")
    func requests() throws {
        let fields = Self.sizes + #", "input_cost_per_request": 0.1"#
        #expect(try Self.cost(fields) == "0.1012")
        #expect(try Self.cost(fields, searches: 2) == "0.1172")
    }

    @Test("a model that also charges citations has no computed cost")
    func citations() throws {
        #expect(try Self.cost(#""citation_cost_per_token": 2e-6"#) == nil)
        #expect(try Self.cost(#""citation_cost_per_token": null"#) == "0.0012")
    }

    @Test("the greatest number of searches is charged exactly")
    func manySearches() throws {
        let fields = #""search_context_cost_per_query": {"search_context_size_medium": 10}"#
        #expect(try Self.cost(fields, searches: 1_000_000) == "10000000.0012")
    }

    @Test(
        "a call without tokens costs its fees only where tokens are free",
        arguments: [(#""input_cost_per_token": 0, "output_cost_per_token": 0"#, "0.01"), (flat, nil)]
            as [(String, String?)])
    func totals(rates: String, cost: String?) throws {
        var record = call()
        record.usage = Usage(total: 100)
        #expect(try PricingTests.cost(#"\#(rates), "input_cost_per_request": 0.01"#, record) == cost)
    }
}

@Suite("A price factor") struct PriceFactorTests {
    private static func factor(_ text: String) -> PriceFactor? { DecimalNumber(text.utf8).flatMap(PriceFactor.init) }

    @Test(
        "is a number from 0 to 1000 with at most six decimal places",
        arguments: [
            ("0", true), ("-0", true), ("1", true), ("0.85", true), ("1000", true), ("1e3", true),
            ("1000.000000", true),
            ("0.000001", true), ("1e-6", true), ("0.123456", true), ("0.1234560", true), ("999.999999", true),
            ("1000.000001", false), ("1001", false), ("-0.5", false), ("-1e-6", false), ("0.1234567", false),
            ("1e-7", false), ("0.85000000000000000000000001", false), ("1e300", false), ("1e-300", false),
        ])
    func bounds(text: String, isTaken: Bool) {
        #expect((Self.factor(text) != nil) == isTaken)
    }

    @Test(
        "multiplies before the only rounding, half to even, to 1e-12 USD",
        arguments: [
            ("1", "5e-13", 1, "0"), ("1", "15e-13", 1, "0.000000000002"), ("0.5", "1e-12", 1, "0"),
            ("0.5", "3e-12", 1, "0.000000000002"), ("0.5", "1.000001e-12", 1, "0.000000000001"),
            // Rounded twice this would be 0.000000000002.
            ("0.5", "2.6e-12", 1, "0.000000000001"), ("0.85", "1e-6", 1_000_000, "0.85"),
            ("0.000001", "1e-6", 1, "0.000000000001"), ("0", "10", 1_000_000_000_000, "0"),
            ("1.5", "1e-24", 1_000_000_000_000, "0.000000000002"), ("1000", "2e-6", 3, "0.006"),
        ] as [(String, String, Int64, String)])
    func rounding(factor: String, rate: String, tokens: Int64, cost: String) throws {
        let fields = #""input_cost_per_token": \#(rate), "output_cost_per_token": 0"#
        let factor = try #require(Self.factor(factor))
        #expect(try PricingTests.cost(fields, call(input: tokens), factor: factor) == cost)
    }

    @Test("has room for the most that a call can cost, and refuses no more than that")
    func largest() throws {
        let fields = #""input_cost_per_token": 10, "output_cost_per_token": 10"#
        let record = call(input: 1_000_000_000_000, output: 1_000_000_000_000)
        let most = try #require(Self.factor("1000"))
        #expect(try PricingTests.cost(fields, record, factor: most) == "20000000000000000")
        let fees =
            #", "input_cost_per_request": 10, "search_context_cost_per_query": {"search_context_size_medium": 10}"#
        var searching = record
        searching.details = CallDetails(webSearches: 1_000_000)
        #expect(try PricingTests.cost(fields + fees, searching, factor: most) == "20000010000010000")
    }

    @Test("also multiplies fees")
    func fees() throws {
        let fields = #""input_cost_per_token": 1e-6, "output_cost_per_token": 0, "input_cost_per_request": 0.1"#
        let factor = try #require(Self.factor("0.5"))
        #expect(try PricingTests.cost(fields, call(input: 1000), factor: factor) == "0.0505")
    }
}
