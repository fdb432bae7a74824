import Testing

@testable import Pricing

@Suite("A price file") struct PriceFileTests {
    private static func read(_ text: String) throws(PriceFault) -> PriceFile {
        try PriceFile(Array(text.utf8), spellings: ProviderSpellings())
    }

    @Test("skips its explanation, entries without a provider, and prices of other things than tokens")
    func skipped() throws {
        let file = try Self.read(
            #"""
            {"sample_spec": {"litellm_provider": "one of …", "input_cost_per_token": "words"}, "_source": {"date": 1},
             "nobody's": {"input_cost_per_token": "1"}, "image": {"litellm_provider": "p", "output_cost_per_image": 1},
             "a": {"litellm_provider": "p", "input_cost_per_token": 1e-6, "input_cost_per_token_cache_hit": 5,
              "input_cost_per_token_ultrafast": "5", "input_cost_per_video_token": 5,
              "tiered_pricing": [{"max_results_range": [0, 25], "input_cost_per_query": 1}], "x": {"y": [1]}}}
            """#)
        #expect(file.layer.models.map(\.key).sorted() == ["a", "image"])
        #expect(try #require(file.layer["image"]).price == nil)
        let price = try #require(file.layer["a"]?.price)
        #expect(price.standard.base[.input]?.perMillionTokens == "1")
        #expect(price.standard.base[.cacheWrite] == nil)
        #expect(price.standard.steps.isEmpty)
    }

    @Test("may name a model twice, as LiteLLM's does at times: the later entry holds, whole")
    func repeated() throws {
        let entry = #"{"litellm_provider": "p", "input_cost_per_token": 1e-6, "supports_x": 1, "supports_x": 2}"#
        let file = try Self.read(
            "\u{FEFF}{\"a\": {\"litellm_provider\": \"q\"}, \"a\": \(entry), \"b\": \(entry), \"b\": {\"litellm_provider\": \"q\"}}"
        )
        #expect(file.layer["a"]?.provider == "p")
        #expect(try #require(file.layer["b"]).price == nil)
    }

    @Test("that is not UTF-8 is refused with the line")
    func encoding() throws {
        let fault = #expect(throws: PriceFault.self) {
            try PriceFile(
                Array("{\n\"é\": {},\n\"".utf8) + [0xFF] + Array("\": 1}".utf8), spellings: ProviderSpellings())
        }
        #expect(fault?.description == "not UTF-8: look at line 3")
    }

    @Test("that is refused for a key or a value with line breaks says so on one line")
    func lineBreaks() {
        let fault = #expect(throws: PriceFault.self) {
            try Self.read(#"{"a\nb\u007f": {"litellm_provider": "p", "input_cost_per_token": -1}}"#)
        }
        #expect(fault?.description.hasPrefix(#"line 1: "a\u000ab\u007f": "#) == true)
    }

    @Test("holds rates exactly, however many digits they are written with")
    func digits() throws {
        let zeros = String(repeating: "0", count: 160)
        let file = try Self.read(
            #"{"a": {"litellm_provider": "p", "input_cost_per_token": 0.000001\#(zeros)5, "output_cost_per_token": 0e-200}}"#
        )
        let price = try #require(file.layer["a"]?.price)
        #expect(price.standard.base[.input]?.perMillionTokens == "1")
        #expect(price.standard.base[.output]?.perMillionTokens == "0")
    }

    @Test(
        "that is wrong is refused, with the line or the key, and the remedy",
        arguments: [
            ("", "not JSON: look at line 1 and what follows"),
            ("[]", "must be a JSON object"),
            ("{\n\"a\": {},\n\"b\" {}}", "not JSON: look at line 3 and what follows"),
            ("{\n\"a\": {}}\n}", "not JSON: look at line 3 and what follows"),
            ("\"", "not JSON: a text is not closed by a quote"),
            (
                "{\n\n\"a\": \"\t\"}",
                "not JSON: a text has a line break, a tab or another control character in it; escape it, as in \\n"
            ),
            (#"{"a": 1}"#, #"line 1: "a": is not of the form that LiteLLM's table has"#),
            (
                #"{"a": {"litellm_provider": "p", "input_cost_per_token": "1e-6"}}"#,
                #"line 1: "a": input_cost_per_token must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "output_cost_per_token_above_128k_tokens": -1e-6}}"#,
                #"line 1: "a": output_cost_per_token_above_128k_tokens must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "input_cost_per_token": 10.0001}}"#,
                #"line 1: "a": input_cost_per_token must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "input_cost_per_token": 0, "x": {}, "input_cost_per_token": 1}}"#,
                #"line 1: "a": input_cost_per_token stands here a second time"#
            ),
            (
                "{\n\"a\": {\"litellm_provider\": \"p\",\n\"input_cost_per_token\": 1e-25}}",
                #"line 3: "a": input_cost_per_token must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "input_cost_per_token": 1e-200}}"#,
                #"line 1: "a": input_cost_per_token must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"#
            ),
            (
                #"{"a": {"litellm_provider": "", "input_cost_per_token": 1e-2}}"#,
                #"line 1: "a": names no provider or no model: the key is model, or provider/model"#
            ),
            (
                #"{"/a": {"litellm_provider": "p", "input_cost_per_token": 1e-2}}"#,
                #"line 1: "/a": names no provider or no model: the key is model, or provider/model"#
            ),
            (
                #"{"p/": {"litellm_provider": "p", "input_cost_per_token": 1e-2}}"#,
                #"line 1: "p/": names no provider or no model: the key is model, or provider/model"#
            ),
            (
                #"{"a": {"litellm_provider": 5}}"#,
                #"line 1: "a": litellm_provider is not of the form that LiteLLM's table has"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "tiered_pricing": [{"range": [5, 5], "input_cost_per_token": 0}]}}"#,
                #"line 1: "a": range must be two whole numbers of tokens, as in [0, 32000]"#
            ),
            (
                #"{"a": {"litellm_provider": "p", "tiered_pricing": [{"range": [5, 9], "input_cost_per_token": 0}]}}"#,
                #"line 1: "a": tiered_pricing: the first range must begin at 0"#
            ),
            (
                #"""
                {"a": {"litellm_provider": "p", "tiered_pricing": [{"range": [0, 9], "input_cost_per_token": 0},
                 {"range": [8, 12], "input_cost_per_token": 0}]}}
                """#,
                #"line 1: "a": tiered_pricing: the range that begins at 8 must begin at 9"#
            ),
        ])
    func refused(text: String, reason: String) throws {
        let fault = #expect(throws: PriceFault.self) { try Self.read(text) }
        #expect(fault?.description == reason)
    }

    @Test(
        "ends with its last byte, whatever is behind it in memory",
        arguments: ["[", "]", "{", "}", "\"", "\\", ",", ":", "0", "e", "\u{0}", "}\n]", "\": {}}"])
    func behind(bytes: String) {
        func outcome(_ text: Span<UInt8>) -> String {
            do throws(PriceFault) {
                return try PriceFile(text, spellings: ProviderSpellings()).layer.models.map(\.key).sorted().joined()
            } catch {
                return error.description
            }
        }
        for (text, expected) in [
            ("{\"a\": [[[[[[[", "not JSON: look at line 1 and what follows"),
            ("{\"a\": {\"b\": 1}", "not JSON: look at line 1 and what follows"),
            ("{\"a\": [[[[}", "not JSON: look at line 1 and what follows"),
            (
                "{\"a\": {\"litellm_provider\": \"p\", \"input_cost_per_token\": 1",
                "not JSON: look at line 1 and what follows"
            ),
            ("{\"a\": 12", "not JSON: look at line 1 and what follows"),
            ("{\"a\": tru", "not JSON: look at line 1 and what follows"),
            ("{\"a\"", "not JSON: look at line 1 and what follows"),
            ("{", "not JSON: look at line 1 and what follows"),
            // The line where reading stops.
            ("{\n\"a\": {\n\"b\": 1,\n\n", "not JSON: look at line 3 and what follows"),
            ("{\n\"a\": {}\n", "not JSON: look at line 2 and what follows"),
            ("", "not JSON: look at line 1 and what follows"),
            ("[[[[[[[", "not JSON: look at line 1 and what follows"),
            ("[[[[[[[]]]]]]]", "must be a JSON object"),
            ("{\"a\": \"b", "not JSON: a text is not closed by a quote"),
            ("{\"a\": \"b\\", "not JSON: a text is not closed by a quote"),
            ("{\"a\": {\"litellm_provider\": \"p\", \"input_cost_per_token\": 1}}", "a"),
            ("{}", ""),
        ] {
            let memory = Array(text.utf8) + Array(String(repeating: bytes, count: 100).utf8)
            #expect(outcome(memory.span.extracting(first: text.utf8.count)) == expected, "\(text)")
        }
    }

    @Test("ships with the program, and so do the spellings of providers")
    func shipped() throws {
        let spellings = try ShippedProviders.read.get().spellings
        let file = try PriceFile.shipped(spellings)
        #expect(file.layer.models.count { $0.price != nil } > 4000)
        #expect(file.doubts.isEmpty)
        #expect(file.madeOn != nil)
        for (spelling, canonical) in [
            ("azure.ai.openai", "azure"), ("GCP.Gemini", "gemini"), ("gcp.vertex_ai", "vertex_ai"),
            ("vertex_ai-anthropic_models", "vertex_ai"), ("aws.bedrock", "bedrock"), ("bedrock_converse", "bedrock"),
            ("cohere_chat", "cohere"), ("mistral_ai", "mistral"), ("x_ai", "xai"), ("OpenAI", "openai"),
            ("somebody", "somebody"),
        ] {
            #expect(spellings.canonical(spelling) == canonical)
        }
    }
}
