import Testing

@testable import Pricing

@Suite("A look-up") struct PriceBookTests {
    private static func book(_ keys: [(key: String, provider: String)], aliases: [(String, String)] = []) throws
        -> PriceBook
    {
        let spellings = try ProviderSpellings()
            .adding([("open-ai", "openai"), ("vertex_ai-*", "vertex_ai"), ("x_ai", "xai")])
            .adding([("corp", "Open-AI"), ("azure.ai.*", "azure")])
        var table = PriceTable()
        for (place, (key, provider)) in keys.enumerated() {
            // The rate shows which entry was found.
            table.add(
                try PriceFile(
                    Array(
                        #"{"\#(key)": {"litellm_provider": "\#(provider)", "input_cost_per_token": \#(place)e-6}}"#.utf8
                    ),
                    spellings: spellings))
        }
        var book = PriceBook(table: table, spellings: spellings)
        try book.addAliases(aliases.map { (name: $0.0, target: $0.1) })
        return book
    }

    /// The input rate of the entry that bills calls of a model.
    private static func rate(_ provider: String, _ model: String, by book: PriceBook) -> String? {
        book.match(provider: provider, model: model)?.prices.first?.standard.base[.input]?.perMillionTokens
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
            // A date of its own, and one without an entry.
            ("openai", "gpt-4o-2024-05-13", 2), ("openai", "gpt-4o-2031-01-01", 1), ("openai", "gpt-4o-20310101", 1),
            ("openai", "openai/gpt-4o@20310101", 1), ("azure", "gpt-4o-2031-01-01", 3),
            ("vertex_ai", "gemini-pro", 4), ("vertex_ai-whatever", "gemini-pro", 4),
            ("openrouter", "openai/gpt-4o", 5), ("openrouter", "openrouter/openai/gpt-4o", 5),
            ("perplexity", "sonar", 6), ("perplexity", "perplexity/sonar", 6), ("X_AI", "grok", 8),
            // Not another provider's price, a part of a name or half a date.
            ("azure", "gemini-pro", nil), ("openai", "gpt", nil),
            ("openai", "gpt-4o-0613", nil), ("openai", "gpt-4o-2031-01", nil),
            ("openai", "-2031-01-01", nil), ("openai", "", nil), ("", "", nil), ("openai", "/", nil),
        ] as [(String, String, Int?)])
    func names(provider: String, model: String, found: Int?) throws {
        #expect(Self.rate(provider, model, by: try Self.book(Self.keys)) == found.map(String.init))
    }

    @Test(
        "goes by the aliases if the table has no price",
        arguments: [
            ("x", "mine", 3), ("openai", "short", 2), ("acme", "small", 8), ("openai", "gpt-4o", 1),
            ("other", "small", nil), ("other", "short", nil),
            // However the provider of the call or of the alias is spelled.
            ("open-ai", "mini", 0), ("CORP", "mini", 0), ("openai", "corp/mini", 0), ("openai", "openai/short", 2),
            // Names with slashes, and targets with dates that the table does not know.
            ("x", "meta/llama", 1), ("openai", "dated", 0),
            ("azure", "mini", nil), ("azure.ai.openai", "deployment", 3), ("azure", "deployment", 3),
        ] as [(String, String, Int?)])
    func aliases(provider: String, model: String, found: Int?) throws {
        let book = try Self.book(
            [("gpt-4o-first", "openai")] + Self.keys.dropFirst(),
            aliases: [
                ("mine", "azure/gpt-4o"), ("short", "gpt-4o-2024-05-13"), ("acme/small", "x_ai/grok"),
                ("gpt-4o", "xai/grok"), ("corp/mini", "gpt-4o-first"), ("azure.ai.inference/deployment", "gpt-4o"),
                ("meta/llama", "openai/gpt-4o"), ("dated", "gpt-4o-first-2099-01-01"),
            ])
        #expect(Self.rate(provider, model, by: book) == found.map(String.init))
    }

    @Test(
        "refuses an alias that leads to nothing, or that stands for another model already",
        arguments: [
            (
                "a", "azure/gpt-5o",
                "leads to azure/gpt-5o, which has no price: name a model that has, as provider/model"
            ),
            ("a", "gpt-5o", "leads to gpt-5o, which has no price: name a model that has, as provider/model"),
            ("open-ai/a", "gpt-4o", "stands here a second time: providers are compared by all of their spellings"),
        ])
    func aliasesRefused(name: String, target: String, reason: String) throws {
        let fault = #expect(throws: PriceFault.self) {
            try Self.book(Self.keys, aliases: [("corp/a", "gpt-4o"), (name, target)])
        }
        #expect(fault?.description == reason)
        #expect(fault?.name == name)
    }

    @Test(
        "takes the price of the last layer that names a model, however it spells it",
        arguments: [
            ("gpt-4o", "openai"), ("openai/gpt-4o", "openai"), ("open-ai/gpt-4o", "open-ai"), ("corp/gpt-4o", "x"),
            ("gpt-4o", "CORP"),
        ])
    func overrides(key: String, provider: String) throws {
        let lower = [("gpt-4o", "openai"), ("openai/gpt-4o", "openai"), ("azure/gpt-4o", "azure")]
        let book = try Self.book(lower + [(key, provider)])
        for (sent, model) in [("openai", "gpt-4o"), ("corp", "gpt-4o"), ("openai", "open-ai/gpt-4o-2031-01-01")] {
            #expect(Self.rate(sent, model, by: book) == "3")
        }
        #expect(Self.rate("azure", "gpt-4o", by: book) == "2")
        let spelled = try Self.book(lower + [("azure.ai.openai/gpt-4o", "azure.ai.openai")])
        #expect(Self.rate("azure", "gpt-4o", by: spelled) == "3")
    }

    @Test("sees the last entry of a key, whole")
    func layers() throws {
        let book = try Self.book([("m", "openai"), ("m", "azure")])
        #expect(book.match(provider: "openai", model: "m")?.prices.first == nil)
        #expect(Self.rate("azure", "m", by: book) == "1")
    }
}

@Suite("Spellings of providers") struct ProviderSpellingsTests {
    @Test("lead to one name, in as many steps as it takes, whatever their order")
    func chains() throws {
        let steps = [("a", "B"), ("b", "c"), ("c", "d"), ("d-*", "c"), ("d-x-*", "e"), ("self", "self")]
        for aliases in [steps, steps.reversed()] {
            let spellings = try ProviderSpellings().adding([("d", "f"), ("d-x-y-*", "g"), ("d-whole", "h")]).adding(
                aliases)
            for (name, canonical) in [
                ("a", "f"), ("A", "f"), ("b", "f"), ("c", "f"), ("d", "f"), ("d-1", "f"), ("d-x-1", "e"),
                // The later layer goes before the longer one, and before a whole spelling.
                ("d-x-y-1", "e"), ("d-whole", "f"), ("self", "self"), ("x", "x"), ("f", "f"),
            ] {
                #expect(spellings.canonical(name) == canonical)
            }
            #expect(spellings.all.map(\.canonical).filter { $0 != "g" } == ["e", "f"])
            #expect(spellings.all[1].spellings == ["a", "b", "c", "d", "d-*", "d-whole"])
        }
    }

    @Test(
        "that lead nowhere are refused",
        arguments: [
            ([("a", "b"), ("b", "c"), ("c", "a")], "leads back to itself"),
            ([("a*", "b1"), ("b*", "a1")], "leads back to itself"),
            ([("Corp", "a"), ("corp", "b")], "stands here a second time: providers are compared without case"),
        ] as [([(String, String)], String)])
    func refused(aliases: [(String, String)], reason: String) throws {
        let fault = #expect(throws: PriceFault.self) {
            try ProviderSpellings().adding(aliases.map { (spelling: $0.0, canonical: $0.1) })
        }
        #expect(fault?.description == reason)
    }

    @Test("that lead to one another in a long chain take no time")
    func longChain() throws {
        let chain = (0..<20_000).map { (spelling: "a\($0)", canonical: "a\($0 + 1)") }
        let began = ContinuousClock.now
        #expect(try ProviderSpellings().adding(chain).canonical("a0") == "a20000")
        #expect(ContinuousClock.now - began < .seconds(5))
    }
}
