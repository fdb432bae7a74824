import Model
import Testing

@testable import Configuration
@testable import Pricing

/// One entry, as JSON in a price file and as YAML in a configuration: JSON of one line is YAML, too.
@Suite("A price entry") struct PriceNotationTests {
    private static func json(_ entry: String) -> Result<String, PriceFault> {
        Result { () throws(PriceFault) in
            let file = try PriceFile(Array(#"{"p/m": \#(entry)}"#.utf8), spellings: ProviderSpellings())
            return file.layer["p/m"].map(summary) ?? "no entry"
        }
    }

    private static func yaml(_ entry: String) -> Result<String, ConfigurationError> {
        Result { () throws(ConfigurationError) in
            let file = try ConfigurationFile(#"{"prices": {"p/m": \#(entry)}}"#, file: "c.yaml")
            return try file.prices(ProviderSpellings(), doubt: { _ in })["p/m"].map(summary)
                ?? "no entry"
        }
    }

    /// Rates in US dollars for a million tokens: `p: input 1, output 2; > 1000: input 3`.
    private static func summary(_ model: PricedModel) -> String {
        guard let price = model.price else { return "no price" }
        func text(_ rates: Rates) -> String {
            TokenKind.allCases.compactMap { kind in rates[kind].map { "\(kind.title) \($0.perMillionTokens)" } }
                .joined(separator: ", ")
        }
        func text(_ plan: RatePlan) -> String {
            text(plan.base) + plan.steps.map { "; > \($0.threshold): \(text($0.rates))" }.joined()
        }
        let tiers = [("batch", price.batch), ("flex", price.flex), ("priority", price.priority)].map { name, plan in
            plan.map { "; \(name): \(text($0))" } ?? ""
        }
        return "\(model.provider): \(text(price.standard))\(tiers.joined())"
    }

    @Test(
        "is the same in both notations",
        arguments: [
            (#""input_cost_per_token": 1e-6, "output_cost_per_token": 0.000002"#, "input 1, output 2"),
            (
                #"""
                "output_cost_per_reasoning_token": 5e-6, "output_cost_per_token": 4e-6, "input_cost_per_token": 1e-6,
                "cache_creation_input_token_cost": 3e-6, "cache_read_input_token_cost": 2E-06
                """#, "input 1, cache read 2, cache write 3, output 4, reasoning 5"
            ),
            (#""input_cost_per_token": 0"#, "input 0"),
            (
                #"""
                "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
                "input_cost_per_token_above_200k_tokens": 3e-6, "input_cost_per_token_above_128k_tokens": 4e-6,
                "output_cost_per_token_above_200k_tokens": 5e-6
                """#, "input 1, output 2; > 128000: input 4, output 2; > 200000: input 3, output 5"
            ),
            (
                #"""
                "output_cost_per_token": 9e-6, "tiered_pricing": [
                {"range": [1e3, 2000.0], "input_cost_per_token": 2e-6, "output_cost_per_token": 3e-6},
                {"range": [0, 1000], "input_cost_per_token": 1e-6}]
                """#, "input 1, output 9; > 1000: input 2, output 3"
            ),
        ])
    func read(fields: String, rates: String) throws {
        let entry = #"{"litellm_provider": "q", \#(fields)}"#
        #expect(try Self.json(entry).get() == "q: \(rates)")
        #expect(try Self.yaml(entry).get() == "q: \(rates)")
    }

    @Test(
        "is refused for the same reason in both notations, with the place in the notation's own form",
        arguments: [
            (#""input_cost_per_token": -1"#, "input_cost_per_token", Rate.form),
            (#""output_cost_per_token_above_9k_tokens": 11"#, "output_cost_per_token_above_9k_tokens", Rate.form),
            (
                #""input_cost_per_token": 1, "input_cost_per_token": 1"#, "input_cost_per_token",
                "stands here a second time"
            ),
            (
                #""tiered_pricing": [{"range": [1, 2], "input_cost_per_token": 0}]"#, "",
                "tiered_pricing: the first range must begin at 0"
            ),
            (
                #"""
                "tiered_pricing": [{"range": [0, 2], "input_cost_per_token": 0},
                {"range": [3, 4], "input_cost_per_token": 0}]
                """#, "", "tiered_pricing: the range that begins at 3 must begin at 2"
            ),
        ])
    func refused(fields: String, name: String, reason: String) {
        let entry = #"{"litellm_provider": "q", \#(fields)}"#
        let inJSON = name.isEmpty ? reason : "\(name) \(reason)"
        let inYAML = name.isEmpty ? " \(reason)" : ".\(name) \(reason)"
        #expect(Self.json(entry).fault == #"line 1: "p/m": \#(inJSON)"#)
        #expect(Self.yaml(entry).fault == "c.yaml:1: prices.p/m\(inYAML)")
    }

    /// What LiteLLM's table has, and a configuration has by mistake.
    @Test(
        "is read leniently in a price file, and strictly in a configuration",
        arguments: [
            (
                #"{"input_cost_per_token": 1e-6}"#, "no entry", "p: input 1"
            ),
            (
                #"{"litellm_provider": null, "input_cost_per_token": 1e-6}"#, "no entry",
                "c.yaml:1: prices.p/m.litellm_provider must be a string"
            ),
            (
                #"{"litellm_provider": "q", "input_cost_per_token": null}"#, "no price",
                "c.yaml:1: prices.p/m.input_cost_per_token \(Rate.form)"
            ),
            (
                #"{"litellm_provider": "q"}"#, "no price",
                "c.yaml:1: prices.p/m has no rate; give input_cost_per_token and output_cost_per_token"
            ),
            (
                #"{"litellm_provider": "q", "x": 1, "x": 1, "input_cost_per_token": 1e-6}"#, "q: input 1",
                "c.yaml:1: prices.p/m.x stands here a second time"
            ),
            (
                #"{"litellm_provider": "q", "tiered_pricing": [{"x": 1}], "input_cost_per_token": 1e-6}"#, "q: input 1",
                "c.yaml:1: prices.p/m.tiered_pricing[0].x is not known here; the keys are range, "
                    + "input_cost_per_token, cache_read_input_token_cost, cache_creation_input_token_cost, "
                    + "cache_creation_input_token_cost_above_1hr, input_cost_per_audio_token, "
                    + "input_cost_per_image_token, output_cost_per_token, output_cost_per_reasoning_token, "
                    + "output_cost_per_audio_token, output_cost_per_image_token"
            ),
            (
                #"{"litellm_provider": "q", "tiered_pricing": [{"range": 5, "input_cost_per_token": 0}]}"#,
                #"line 1: "p/m": range must be two whole numbers of tokens, as in [0, 32000]"#,
                "c.yaml:1: prices.p/m.tiered_pricing[0].range must be a list (lines that begin with -)"
            ),
            (
                #"{"litellm_provider": "q", "tiered_pricing": [{"range": [0, 1.5], "input_cost_per_token": 0}]}"#,
                #"line 1: "p/m": range must be two whole numbers of tokens, as in [0, 32000]"#,
                "c.yaml:1: prices.p/m.tiered_pricing[0] needs a range of two whole numbers of tokens, "
                    + "as in range: [0, 32000]"
            ),
            (
                #"{"litellm_provider": "q", "tiered_pricing": [5]}"#,
                #"line 1: "p/m": tiered_pricing is not of the form that LiteLLM's table has"#,
                "c.yaml:1: prices.p/m.tiered_pricing[0] must be a mapping (name: value)"
            ),
            (
                "5", #"line 1: "p/m": is not of the form that LiteLLM's table has"#,
                "c.yaml:1: prices.p/m must be a mapping (name: value)"
            ),
        ])
    func leniently(entry: String, inJSON: String, inYAML: String) {
        #expect(Self.json(entry).text == inJSON)
        #expect(Self.yaml(entry).text == inYAML)
    }
}

extension Result where Success == String, Failure: CustomStringConvertible {
    fileprivate var fault: String? {
        if case .failure(let fault) = self { fault.description } else { nil }
    }

    fileprivate var text: String {
        switch self {
        case .success(let text): text
        case .failure(let fault): fault.description
        }
    }
}
