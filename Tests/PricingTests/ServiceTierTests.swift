import Model
import Testing

@testable import Pricing

@Suite("A service tier") struct ServiceTierTests {
    private static let flat = #""input_cost_per_token": 4e-6, "output_cost_per_token": 16e-6"#
    private static let flatCache = flat + #", "cache_read_input_token_cost": 1e-6"#
    private static let flatAll =
        flatCache + #", "cache_creation_input_token_cost": 5e-6, "output_cost_per_reasoning_token": 20e-6"#
    /// 500 of 1000 input tokens from a cache, 100 written; 40 of 100 output tokens are reasoning.
    private static let parts: [TokenKind: Int64] = [.cacheRead: 500, .cacheWrite: 100, .reasoning: 40]

    private static func cost(_ fields: String, _ tier: ServiceTier, input: Int64 = 1000) throws -> String? {
        try PricingTests.cost(fields, call(input: input, output: 100, parts: parts, CallDetails(serviceTier: tier)))
    }

    @Test(
        "charges each kind of tokens by its own rate, or else by the standard one",
        arguments: [
            // 400 x 2 + 500 x 1 + 100 x 5 + 60 x 16 + 40 x 20, in millionths.
            (flatAll + #", "input_cost_per_token_flex": 2e-6"#, "0.00356"),
            // Its output rate is the rate of reasoning, unless it has one of its own.
            (flatAll + #", "output_cost_per_token_flex": 8e-6"#, "0.0034"),
            (
                flatAll + #", "output_cost_per_token_flex": 8e-6, "output_cost_per_reasoning_token_flex": 1e-6"#,
                "0.00312"
            ),
            (flatAll + #", "output_cost_per_reasoning_token_flex": 1e-6"#, "0.0036"),
            (flatAll + #", "cache_read_input_token_cost_flex": 5e-7"#, "0.00411"),
            (flatAll + #", "cache_creation_input_token_cost_flex": 0"#, "0.00386"),
            // Without a cache rate anywhere, the input rate in force.
            (flat + #", "input_cost_per_token_flex": 2e-6"#, "0.0036"),
            (flatCache + #", "input_cost_per_token_flex": 2e-6, "output_cost_per_token_flex": 8e-6"#, "0.0023"),
        ])
    func ownRates(fields: String, cost: String) throws {
        #expect(try Self.cost(fields, .flex) == cost)
        #expect(try Self.cost(fields.replacing("_flex", with: "_priority"), .priority) == cost)
    }

    @Test(
        "without any rate of its own makes the call unpriced, not cheaper",
        arguments: [ServiceTier.flex, .priority, .batch], [flat, flatAll])
    func withoutRates(tier: ServiceTier, fields: String) throws {
        #expect(try Self.cost(fields, tier) == nil)
        #expect(try Self.cost(fields, .standard) != nil)
        // Those of another tier do not count.
        let others = ["_flex", "_priority", "_batches"].filter { $0 != tier.suffix }
        for suffix in others {
            #expect(try Self.cost(#"\#(fields), "input_cost_per_token\#(suffix)": 1e-6"#, tier) == nil)
        }
    }

    @Test(
        "takes a step's own rate, then the step's standard one, then that of the tier below the step",
        arguments: [
            // 1,000 tokens do not exceed the threshold: 2 for input, 16 for output.
            (#""input_cost_per_token_flex": 2e-6, "input_cost_per_token_above_1k_tokens": 8e-6"#, 1000, "0.0036"),
            // 401 x 8 + 500 x 8 + 100 x 8 + 100 x 16.
            (#""input_cost_per_token_flex": 2e-6, "input_cost_per_token_above_1k_tokens": 8e-6"#, 1001, "0.009608"),
            (
                #""input_cost_per_token_flex": 2e-6, "input_cost_per_token_above_1k_tokens": 8e-6, "#
                    + #""input_cost_per_token_above_1k_tokens_flex": 3e-6"#, 1001, "0.004603"
            ),
            // Output has no rate in the step: the tier's own holds.
            (
                #""output_cost_per_token_flex": 8e-6, "input_cost_per_token_above_1k_tokens_flex": 3e-6"#, 1001,
                "0.003803"
            ),
            (#""input_cost_per_token_above_1k_tokens_flex": 3e-6"#, 1000, "0.0056"),
        ] as [(String, Int64, String)])
    func steps(fields: String, input: Int64, cost: String) throws {
        #expect(try Self.cost("\(Self.flat), \(fields)", .flex, input: input) == cost)
    }

    @Test("a range of tiered_pricing has no service tiers", arguments: [ServiceTier.flex, .priority, .batch])
    func ranges(tier: ServiceTier) throws {
        let fields = """
            "input_cost_per_token\(tier.suffix)": 1e-6, "output_cost_per_token\(tier.suffix)": 1e-6, "tiered_pricing": [
            {"range": [0, 9000], "input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6}]
            """
        #expect(try Self.cost(fields, tier) == nil)
        #expect(try Self.cost(fields, .standard) == "0.0022")
    }
}

/// As litellm's `batch_cost_calculator` computes it.
@Suite("A batch") struct BatchPriceTests {
    private static let standard =
        #""input_cost_per_token": 4e-6, "output_cost_per_token": 16e-6, "cache_read_input_token_cost": 1e-6, "#
        + #""cache_creation_input_token_cost": 5e-6, "output_cost_per_reasoning_token": 20e-6"#
    private static let batch = CallDetails(serviceTier: .batch)

    private static func cost(
        _ fields: String, input: Int64 = 1000, output: Int64 = 100, _ parts: [TokenKind: Int64] = [:]
    ) throws -> String? {
        try PricingTests.cost(
            "\(standard), \(fields)", call(input: input, output: output, parts: parts, batch))
    }

    @Test(
        "costs half of the standard rate on the side that has no batch rate",
        arguments: [
            (#""input_cost_per_token_batches": 1e-6"#, "0.0018"), (#""output_cost_per_token_batches": 1e-6"#, "0.0021"),
            (#""input_cost_per_token_batches": 1e-6, "output_cost_per_token_batches": 1e-6"#, "0.0011"),
            (#""input_cost_per_token_batches": 0, "output_cost_per_token_batches": 0"#, "0"),
        ])
    func half(fields: String, cost: String) throws {
        #expect(try Self.cost(fields) == cost)
    }

    @Test("needs a batch rate of its input or its output", arguments: ["cache_read_input_token_cost_batches"])
    func needsRate(field: String) throws {
        #expect(try Self.cost(#""\#(field)": 1e-6"#) == nil)
    }

    @Test("charges reasoning as output")
    func reasoning() throws {
        let fields = #""input_cost_per_token_batches": 2e-6, "output_cost_per_token_batches": 8e-6"#
        #expect(try Self.cost(fields, input: 0, [.reasoning: 40]) == "0.0008")
        #expect(try Self.cost(#""input_cost_per_token_batches": 2e-6"#, input: 0, [.reasoning: 40]) == "0.0008")
    }

    @Test(
        "charges what a cache gave by its batch or standard rate, and what it took by its batch rate or input's",
        arguments: [
            ("", [.cacheRead: 1000], "0.001"), ("", [.cacheWrite: 1000], "0.002"),
            (#", "cache_read_input_token_cost_batches": 5e-7"#, [.cacheRead: 1000], "0.0005"),
            (#", "cache_creation_input_token_cost_batches": 3e-6"#, [.cacheWrite: 1000], "0.003"),
        ] as [(String, [TokenKind: Int64], String)])
    func caches(fields: String, parts: [TokenKind: Int64], cost: String) throws {
        #expect(try Self.cost(#""input_cost_per_token_batches": 2e-6"# + fields, output: 0, parts) == cost)
    }

    @Test("without any rate for what a cache gave charges it as input of the batch")
    func cacheWithoutRate() throws {
        let fields = #""input_cost_per_token": 4e-6, "output_cost_per_token": 0, "input_cost_per_token_batches": 2e-6"#
        let record = call(input: 1000, output: 0, parts: [.cacheRead: 1000], Self.batch)
        #expect(try PricingTests.cost(fields, record) == "0.002")
    }

    @Test(
        "counts only the steps of batches; of what a cache gave, those of the rate in force",
        arguments: [
            (#""input_cost_per_token_above_1k_tokens": 9e-6"#, [:], "0.002002"),
            (#""input_cost_per_token_above_1k_tokens_batches": 3e-6"#, [:], "0.003003"),
            (#""cache_read_input_token_cost_above_1k_tokens": 1.5e-6"#, [.cacheRead: 1001], "0.0015015"),
            (
                #""cache_read_input_token_cost_above_1k_tokens": 1.5e-6, "cache_read_input_token_cost_batches": 5e-7"#,
                [.cacheRead: 1001], "0.0005005"
            ),
        ] as [(String, [TokenKind: Int64], String)])
    func steps(fields: String, parts: [TokenKind: Int64], cost: String) throws {
        #expect(
            try Self.cost(#""input_cost_per_token_batches": 2e-6, "# + fields, input: 1001, output: 0, parts) == cost)
    }

    @Test(
        "has no price for what it cannot know",
        arguments: [
            ("", [.cacheWrite: 10, .cacheWrite1h: 10], nil),
            (#", "cache_creation_input_token_cost_above_1hr": 8e-6"#, [.cacheWrite: 10, .cacheWrite1h: 10], nil),
            (
                #", "cache_creation_input_token_cost_above_1hr_batches": 4e-6"#, [.cacheWrite: 10, .cacheWrite1h: 10],
                "0.00402"
            ),
            (#", "input_cost_per_audio_token": 8e-6"#, [.inputAudio: 10], nil),
            (#", "input_cost_per_audio_token_batches": 4e-6"#, [.inputAudio: 10], "0.00402"),
            ("", [.inputImage: 10], "0.004"),
            (#", "input_cost_per_image_token_batches": 4e-6"#, [.inputImage: 10], "0.00402"),
            ("", [.outputImage: 10], nil),
            (#", "output_cost_per_image_token": 30e-6"#, [.outputImage: 10], "0.00407"),
            (#", "output_cost_per_image_token_batches": 10e-6"#, [.outputImage: 10], "0.00402"),
            (#", "output_cost_per_audio_token": 30e-6"#, [.outputAudio: 10], nil),
        ] as [(String, [TokenKind: Int64], String?)])
    func rareKinds(fields: String, parts: [TokenKind: Int64], cost: String?) throws {
        let batch = #""input_cost_per_token_batches": 2e-6, "output_cost_per_token_batches": 8e-6"#
        #expect(try Self.cost(batch + fields, output: 250, parts) == cost)
    }
}

@Suite("Kinds of tokens that few calls have") struct RareKindTests {
    private static let flat = #""input_cost_per_token": 2e-6, "output_cost_per_token": 8e-6"#

    @Test(
        "what is written for an hour costs its own rate, or that of twelve hours where the entry has no other",
        arguments: [
            (#""cache_creation_input_token_cost_above_1hr": 4e-6"#, "0.0034"),
            (#""cache_creation_input_token_cost_above_12hr": 5e-6"#, "0.0041"),
            (
                #"""
                "cache_creation_input_token_cost_above_12hr": 5e-6, \#
                "cache_creation_input_token_cost_above_1hr": 4e-6
                """#,
                "0.0034"
            ),
            (
                #"""
                "cache_creation_input_token_cost_above_1hr": 4e-6, \#
                "cache_creation_input_token_cost_above_12hr": 5e-6
                """#,
                "0.0034"
            ),
            (#""cache_creation_input_token_cost_above_1hr": 0"#, "0.0006"),
            (#""cache_creation_input_token_cost_above_1hr_flex": 4e-6"#, nil),
        ] as [(String, String?)])
    func longCache(fields: String, cost: String?) throws {
        // 100 input, 200 written for minutes, 700 for an hour.
        let record = call(input: 1000, output: 0, parts: [.cacheWrite: 900, .cacheWrite1h: 700])
        #expect(try PricingTests.cost("\(Self.flat), \(fields)", record) == cost)
    }

    @Test("what is written for an hour has steps, also of twelve hours")
    func longCacheSteps() throws {
        let record = call(input: 1001, output: 0, parts: [.cacheWrite: 1001, .cacheWrite1h: 1001])
        for hours in ["1hr", "12hr"] {
            let name = "cache_creation_input_token_cost_above_\(hours)"
            let fields = #"\#(Self.flat), "\#(name)": 4e-6, "\#(name)_above_1k_tokens": 6e-6"#
            #expect(try PricingTests.cost(fields, record) == "0.006006")
        }
    }

    @Test("what is written for an hour has no price without a rate of its own, and none that matters if there is none")
    func longCacheWithoutRate() throws {
        let fields = Self.flat + #", "cache_creation_input_token_cost": 2.5e-6"#
        let parts: [TokenKind: Int64] = [.cacheWrite: 900, .cacheWrite1h: 1]
        #expect(try PricingTests.cost(fields, call(input: 1000, output: 0, parts: parts)) == nil)
        let none: [TokenKind: Int64] = [.cacheWrite: 900, .cacheWrite1h: 0]
        #expect(try PricingTests.cost(fields, call(input: 1000, output: 0, parts: none)) == "0.00245")
    }

    @Test(
        "audio and images that are made have rates of their own or no price; images that are read may cost as input",
        arguments: [
            (TokenKind.inputAudio, "input_cost_per_audio_token", nil),
            (.inputImage, "input_cost_per_image_token", "0.0028"),
            (.outputAudio, "output_cost_per_audio_token", nil), (.outputImage, "output_cost_per_image_token", nil),
        ] as [(TokenKind, String, String?)])
    func mediaRates(kind: TokenKind, field: String, withoutRate: String?) throws {
        let record = call(input: 1000, output: 100, parts: [kind: 100])
        #expect(try PricingTests.cost(Self.flat, record) == withoutRate)
        // 100 of the 1,000 input tokens cost 1 more for a million; or 100 output tokens 5 less.
        let isInput = kind == .inputAudio || kind == .inputImage
        #expect(
            try PricingTests.cost(#"\#(Self.flat), "\#(field)": 3e-6"#, record) == (isInput ? "0.0029" : "0.0023"))
        #expect(try PricingTests.cost(#"\#(Self.flat), "\#(field)": 0"#, record) == (isInput ? "0.0026" : "0.002"))
        let free = call(input: 1000, output: 100, parts: [kind: 0])
        #expect(try PricingTests.cost(Self.flat, free) == "0.0028")
    }

    @Test("all kinds of one call sum to its cost, each once")
    func allKinds() throws {
        let fields = """
            "input_cost_per_token": 1e-6, "cache_read_input_token_cost": 2e-6, "cache_creation_input_token_cost": 3e-6,
            "cache_creation_input_token_cost_above_1hr": 4e-6, "input_cost_per_audio_token": 5e-6,
            "input_cost_per_image_token": 6e-6, "output_cost_per_token": 7e-6, "output_cost_per_reasoning_token": 8e-6,
            "output_cost_per_audio_token": 9e-6, "output_cost_per_image_token": 10e-6
            """
        let record = call(
            input: 211_111, output: 1111,
            parts: [
                .cacheRead: 10, .cacheWrite: 1100, .cacheWrite1h: 1000, .inputAudio: 10_000, .inputImage: 200_000,
                .reasoning: 10, .outputAudio: 100, .outputImage: 1000,
            ])
        // 1 x 1 + 10 x 2 + 100 x 3 + 1000 x 4 + 10000 x 5 + 200000 x 6 + 1 x 7 + 10 x 8 + 100 x 9 + 1000 x 10
        #expect(try PricingTests.cost(fields, record) == "1.265308")
    }

    @Test(
        "a side that is billed otherwise than by tokens has no rate of 0 for them",
        arguments: [
            ("input_cost_per_token", "input_cost_per_character"), ("input_cost_per_token", "input_cost_per_second"),
            ("input_cost_per_token", "input_cost_per_query"), ("input_cost_per_token", "input_cost_per_image"),
            ("input_cost_per_token", "input_cost_per_pixel"),
            ("input_cost_per_token", "input_cost_per_video_per_second"),
            ("output_cost_per_token", "output_cost_per_image"), ("output_cost_per_token", "output_cost_per_second"),
        ])
    func otherUnits(tokens: String, other: String) throws {
        func price(_ rate: String, _ otherRate: String) throws -> Price? {
            try PricingTests.price(#""\#(other)": \#(otherRate), "\#(tokens)": \#(rate)"#)
        }
        #expect(try price("0", "0.001") == nil)
        // A rate above 0 stays, and a 0 beside another 0 is a price.
        #expect(try price("1e-6", "0.001") != nil)
        #expect(try price("0", "0") != nil)
        // The other side is not concerned.
        let side = tokens == "input_cost_per_token" ? "output_cost_per_token" : "input_cost_per_token"
        #expect(try PricingTests.price(#""\#(other)": 0.001, "\#(side)": 0"#) != nil)
    }

    @Test("a fee for a request is no other unit: tokens may be free beside it")
    func requestFeeBesideFreeTokens() throws {
        let fields = #""input_cost_per_request": 0.01, "input_cost_per_token": 0, "output_cost_per_token": 0"#
        #expect(try PricingTests.cost(fields, call(input: 1000, output: 10)) == "0.01")
    }
}
