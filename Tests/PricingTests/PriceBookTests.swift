import Testing

@testable import Pricing

@Suite("A look-up") struct PriceBookTests {
    private static func book(_ keys: [(key: String, provider: String)], aliases: [String: String] = [:]) throws
        -> PriceBook
    {
        var spellings = ProviderSpellings(["openai": ["open-ai"], "vertex_ai": ["vertex_ai-*"], "xai": ["x_ai"]])
        spellings.add("corp", for: "openai")
        var table = PriceTable()
        for (place, (key, provider)) in keys.enumerated() {
            // The rate tells which entry was found.
            table.add(
                try PriceFile(
                    Array(
                        #"{"\#(key)": {"litellm_provider": "\#(provider)", "input_cost_per_token": \#(place)e-6}}"#.utf8
                    ),
                    spellings: spellings))
        }
        return PriceBook(table: table, spellings: spellings, aliases: aliases)
    }

    private static let keys = [
        ("gpt-4o", "openai"), ("openai/gpt-4o", "openai"), ("gpt-4o-2024-05-13", "openai"), ("azure/gpt-4o", "azure"),
        ("gemini-pro", "vertex_ai-language-models"), ("openrouter/openai/gpt-4o", "openrouter"),
        ("perplexity/sonar", "perplexity"), ("perplexity/perplexity/sonar", "perplexity"), ("grok", "xai"),
    ]

    @Test(
        "finds a model by each of the names that senders give it, the closest first",
        arguments: [
            // provider/model goes before the model of a provider.
            ("openai", "gpt-4o", 1), ("OpenAI", "gpt-4o", 1), ("open-ai", "openai/gpt-4o", 1),
            ("corp", "gpt-4o", 1), ("CORP", "open-ai/gpt-4o", 1),
            // Its own date, and one that nobody knows.
            ("openai", "gpt-4o-2024-05-13", 2), ("openai", "gpt-4o-2031-01-01", 1), ("openai", "gpt-4o-20310101", 1),
            ("openai", "openai/gpt-4o@20310101", 1), ("azure", "gpt-4o-2031-01-01", 3),
            ("vertex_ai", "gemini-pro", 4), ("vertex_ai-whatever", "gemini-pro", 4),
            ("openrouter", "openai/gpt-4o", 5), ("openrouter", "openrouter/openai/gpt-4o", 5),
            ("perplexity", "sonar", 6), ("perplexity", "perplexity/sonar", 6), ("X_AI", "grok", 8),
            // No price of another provider, no part of a name, no other case, no half a date.
            ("azure", "gemini-pro", nil), ("openai", "azure/gpt-4o", nil), ("openai", "gpt", nil),
            ("openai", "GPT-4o", nil), ("openai", "gpt-4o-0613", nil), ("openai", "gpt-4o-2031-01", nil),
            ("openai", "-2031-01-01", nil), ("openai", "", nil), ("", "", nil), ("openai", "/", nil),
        ] as [(String, String, Int?)])
    func names(provider: String, model: String, found: Int?) throws {
        let price = try Self.book(Self.keys).price(provider: provider, model: model)
        #expect(price?.base.input?.perMillionTokens == found.map(String.init))
    }

    @Test(
        "goes by the aliases where the table has nothing",
        arguments: [
            ("x", "mine", 3), ("openai", "short", 2), ("acme", "small", 8), ("openai", "gpt-4o", 1),
            ("other", "small", nil), ("x", "nowhere", nil),
        ] as [(String, String, Int?)])
    func aliases(provider: String, model: String, found: Int?) throws {
        let book = try Self.book(
            Self.keys,
            aliases: [
                "mine": "azure/gpt-4o", "short": "gpt-4o-2024-05-13", "acme/small": "x_ai/grok", "gpt-4o": "xai/grok",
                "nowhere": "openai/nothing",
            ])
        #expect(book.price(provider: provider, model: model)?.base.input?.perMillionTokens == found.map(String.init))
    }

    @Test("sees the last entry of a key, whole")
    func layers() throws {
        let book = try Self.book([("m", "openai"), ("m", "azure")])
        #expect(book.price(provider: "openai", model: "m") == nil)
        #expect(book.price(provider: "azure", model: "m")?.base.input?.perMillionTokens == "1")
    }
}
