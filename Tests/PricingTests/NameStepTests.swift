import Model
import Testing

@testable import Pricing

/// Names that senders give models, looked up in the shipped table.
@Suite("A name that the table does not have") struct NameStepTests {
    private static func keys(_ provider: String, _ model: String, response: String? = nil) throws -> [String]? {
        try Shipped.book.get().match(provider: provider, model: model, responseModel: response)?.models.map(\.key)
    }

    @Test(
        "is looked up without what senders add to it",
        arguments: [
            ("gcp.gemini", "models/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
            ("gemini", "models/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
            ("vertex_ai", "publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
            (
                "gcp.vertex_ai", "projects/my-project/locations/us-central1/publishers/google/models/gemini-2.5-pro",
                "gemini-2.5-pro"
            ),
            (
                "vertex_ai", "projects/p/locations/global/publishers/anthropic/models/claude-sonnet-4-5",
                "vertex_ai/claude-sonnet-4-5"
            ),
            (
                "bedrock", "invoke/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "bedrock", "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "bedrock", "bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "aws.bedrock",
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "aws.bedrock", "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
                "anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "aws.bedrock",
                "arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
                "anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            ("openai", "ft:gpt-4o-mini-2024-07-18:acme::AbCd1234", "ft:gpt-4o-mini-2024-07-18"),
            ("openai", "ft:gpt-4o-mini-2024-07-18:acme:suffix:AbCd1234:ckpt-step-88", "ft:gpt-4o-mini-2024-07-18"),
            ("anthropic", "claude-opus-4-6[1m]", "claude-opus-4-6"),
            ("anthropic", "claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5-20250929"),
        ])
    func steps(provider: String, model: String, key: String) throws {
        #expect(try Self.keys(provider, model) == [key])
    }

    @Test(
        "is looked up without several of these",
        arguments: [
            (
                "bedrock",
                "converse/arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0",
                "anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            (
                "bedrock",
                "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0[1m]",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            ("gemini", "models/Gemini-2.5-Pro", "gemini/gemini-2.5-pro"),
            ("anthropic", "Claude-Opus-4-6[1m]", "claude-opus-4-6"),
            ("openai", "GPT-4o-2031-01-01", "gpt-4o"),
            ("unknown", "anthropic/claude-opus-4-6[1m]", "claude-opus-4-6"),
            ("my-gateway", "google/models/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
            ("unknown", "OpenAI/GPT-4o", "gpt-4o"), ("langchain", "models/gemini-2.5-pro", nil),
        ] as [(String, String, String?)])
    func combinations(provider: String, model: String, key: String?) throws {
        let found = try Self.keys(provider, model)
        if let key { #expect(found == [key]) } else { #expect(found != nil) }
    }

    @Test(
        "is looked up without case",
        arguments: [
            ("openai", "GPT-4o", "gpt-4o"), ("OPENAI", "openai/GPT-4O", "gpt-4o"),
            ("azure", "GPT-4o-2024-08-06", "azure/gpt-4o-2024-08-06"),
            ("minimax", "minimax-m2", "minimax/MiniMax-M2"),
        ])
    func otherCase(provider: String, model: String, key: String) throws {
        #expect(try Self.keys(provider, model) == [key])
    }

    @Test("that differs from two models in case alone has the price of neither, unless these are one price")
    func caseCollision() throws {
        func book(_ rate: String) throws -> PriceBook {
            let entry = #"{"litellm_provider": "p", "input_cost_per_token": "#
            var table = PriceTable()
            table.add(
                try PriceFile(
                    Array(#"{"Model": \#(entry)1e-6}, "mOdel": \#(entry)\#(rate)}}"#.utf8),
                    spellings: ProviderSpellings()))
            return PriceBook(table: table, spellings: ProviderSpellings())
        }
        #expect(try book("2e-6").match(provider: "p", model: "MODEL") == nil)
        #expect(try book("2e-6").match(provider: "p", model: "mOdel")?.models.map(\.key) == ["mOdel"])
    }

    @Test(
        "is looked up at the provider that it begins with",
        arguments: [
            ("unknown", "openai/gpt-4o", "gpt-4o"), ("my-gateway", "anthropic/claude-opus-4-6", "claude-opus-4-6"),
            ("litellm_proxy", "azure/gpt-4o", "azure/gpt-4o"),
            ("unknown", "gcp.gemini/gemini-2.5-pro", "gemini/gemini-2.5-pro"),
            // The exact name goes first: another provider's own model of that name.
            ("openrouter", "openai/gpt-4o", "openrouter/openai/gpt-4o"),
        ])
    func prefixes(provider: String, model: String, key: String) throws {
        #expect(try Self.keys(provider, model) == [key])
    }

    @Test(
        "names no provider at a host, whose models begin with organisations",
        arguments: [
            ("together_ai", "openai/gpt-4o"), ("groq", "openai/gpt-4o"), ("fireworks", "anthropic/claude-opus-4-6"),
        ])
    func hosts(provider: String, model: String) throws {
        #expect(try Self.keys(provider, model) == nil)
    }

    @Test(
        "of an operator's own server has no price elsewhere",
        arguments: [
            ("vllm", "openai/gpt-4o"), ("sglang", "deepseek/deepseek-chat"), ("tgi", "mistral/mistral-large-latest"),
            ("ollama", "openai/gpt-4o"), ("OLLAMA", "anthropic/claude-opus-4-6"), ("lm_studio", "openai/gpt-4o"),
        ])
    func servers(provider: String, model: String) throws {
        #expect(try Self.keys(provider, model) == nil)
        // At the server it may have one.
        #expect(try Self.keys("ollama", "llama3") == ["ollama/llama3"])
    }

    @Test(
        "of a framework that names itself is looked up at the one provider that has it",
        arguments: [
            (
                "strands-agents", "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            ("langchain", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
            ("LangChain", "claude-sonnet-4-5-20250929", "claude-sonnet-4-5-20250929"),
            ("pydantic-ai", "glm-4.5", "zai/glm-4.5"),
        ])
    func frameworks(provider: String, model: String, key: String) throws {
        #expect(try Self.keys(provider, model) == [key])
    }

    @Test(
        "is not guessed",
        arguments: [
            ("aws.bedrock", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"),
            (
                "aws.bedrock",
                "arn:aws:bedrock:us-east-1:1:provisioned-model/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
            ),
            ("openai", "gpt-4o[2m]"), ("openai", "models"), ("openai", "models/"), ("openai", "ft:"),
            ("openai", "ft::acme"), ("bedrock", "arn:"), ("bedrock", "arn:aws:bedrock"), ("openai", "[1m]"),
            ("acme", "gpt-4o"), ("unknown", "gpt-4o"), ("unknown", "acme/gpt-4o"), ("unknown", "openai/"), ("", "/"),
            ("strands-agents", "no-such-model"), ("langchain", ""),
        ])
    func unknown(provider: String, model: String) throws {
        #expect(try Self.keys(provider, model) == nil)
    }

    @Test("is found by the response's model only where its own finds nothing")
    func responseModel() throws {
        #expect(
            try Self.keys("azure.ai.openai", "prod-chat-eu", response: "gpt-4o-2024-08-06") == [
                "azure/gpt-4o-2024-08-06"
            ])
        #expect(try Self.keys("azure.ai.openai", "gpt-4o", response: "gpt-4o-mini") == ["azure/gpt-4o"])
        #expect(try Self.keys("azure.ai.openai", "prod-chat-eu", response: "GPT-4o") == ["azure/gpt-4o"])
        #expect(try Self.keys("azure.ai.openai", "prod-chat-eu", response: "prod-chat-eu") == nil)
        // A server of an operator's own stays one.
        #expect(try Self.keys("vllm", "mine", response: "openai/gpt-4o") == nil)
    }

    @Test("a model that is known to have no price ends the look-up")
    func withoutPrice() throws {
        let match = try #require(
            try Shipped.book.get().match(provider: "azure", model: "model-router", responseModel: "gpt-4o"))
        #expect(match.models.map(\.key) == ["azure/model-router"])
        #expect(match.prices.isEmpty)
    }

    @Test("of a framework has a price only if all entries cost the same")
    func ambiguous() throws {
        func entry(_ key: String, _ provider: String, _ rates: String) -> String {
            #""\#(key)": {"litellm_provider": "\#(provider)", \#(rates)}"#
        }
        let entries = [
            entry("a/same", "a", #""input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6"#),
            entry("b/same", "b", #""input_cost_per_token": 0.000001, "output_cost_per_token": 3e-6"#),
            entry("c/free", "c", #""input_cost_per_token": 0"#), entry("d/none", "d", #""max_tokens": 5"#),
            entry("a/none", "a", #""input_cost_per_token": 4e-6"#),
        ]
        var table = PriceTable()
        table.add(try PriceFile(Array("{\(entries.joined(separator: ","))}".utf8), spellings: ProviderSpellings()))
        let book = PriceBook(
            table: table, spellings: ProviderSpellings(),
            roles: ProviderRoles(frameworks: ["framework"], servers: ["server"], hosts: ["host"]))
        func cost(_ model: String, input: Int64, output: Int64) -> String? {
            let prices = book.match(provider: "Framework", model: model)?.prices ?? []
            return usd(Price.cost(of: call(input: input, output: output), by: prices))
        }
        #expect(cost("same", input: 1000, output: 0) == "0.001")
        #expect(cost("same", input: 1000, output: 1) == nil)
        #expect(cost("SAME-2031-01-01", input: 1000, output: 0) == "0.001")
        // An entry without a price is no provider that has the model.
        #expect(cost("none", input: 1000, output: 0) == "0.004")
        #expect(cost("free", input: 1000, output: 0) == "0")
        // Others are no frameworks.
        #expect(book.match(provider: "x", model: "free") == nil)
        #expect(book.match(provider: "server", model: "c/free") == nil)
        #expect(book.match(provider: "host", model: "c/free") == nil)
        #expect(book.match(provider: "x", model: "c/free")?.models.map(\.key) == ["c/free"])
    }

    @Test(
        "tells how it was found",
        arguments: [
            ("openai", "gpt-4o", "as gpt-4o"), ("openai", "GPT-4o", "without regard to case, as gpt-4o"),
            ("anthropic", "claude-opus-4-6[1m]", "without [1m], as claude-opus-4-6"),
            ("unknown", "openai/gpt-4o", "by the provider in the model's name, as gpt-4o"),
            ("gemini", "models/gemini-2.5-pro", "without its path, as gemini/gemini-2.5-pro"),
            ("pydantic-ai", "glm-4.5", "by the model alone, as the provider is a framework, as zai/glm-4.5"),
        ])
    func explained(provider: String, model: String, step: String) throws {
        #expect(try Shipped.book.get().match(provider: provider, model: model)?.steps == step)
    }

    @Test("has near ones, those of its provider first, at most five")
    func near() throws {
        let book = try Shipped.book.get()
        let misspelt = book.nearness.models(near: "openai/gpt-4o-minni")
        #expect(misspelt.first == "gpt-4o-mini")
        #expect(misspelt.count == 5)
        #expect(book.nearness.models(near: "anthropic/claude-sonet-4-5").first == "claude-sonnet-4-5")
        #expect(book.nearness.models(near: "xai/gpt-4o-minni").contains("gpt-4o-mini"))
        #expect(book.nearness.models(near: "gpt-4o-minni").contains("gpt-4o-mini"))
        for name in ["", "/", "x", "openai/", "openai/zzzzzzzzzzzz"] {
            #expect(book.nearness.models(near: name).isEmpty)
        }
    }
}

@Suite("The shipped table") struct ShippedTableTests {
    private static func model(_ key: String, _ provider: String) throws -> PricedModel? {
        let name = key.hasPrefix(provider + "/") ? String(key.dropFirst(provider.count + 1)) : key
        return try Shipped.book.get().match(provider: provider, model: name)?.models.first
    }

    @Test("shares one price among models that cost the same, each with the provider that its entry names")
    func shared() throws {
        let own = try #require(try Self.model("claude-opus-4-6", "anthropic"))
        let other = try #require(try Self.model("claude-opus-4-5", "anthropic"))
        #expect(own.key == "claude-opus-4-6" && own.provider == "anthropic" && other.key == "claude-opus-4-5")
        #expect(own.price === other.price)
        #expect(own.price?.standard.base[.cacheWrite1h]?.perMillionTokens == "10")
    }

    @Test("what a fee is charged for depends on the model's own provider and name, also in a shared line")
    func sharedFees() throws {
        let sonar = try #require(try Self.model("perplexity/sonar", "perplexity")?.price)
        #expect(sonar.fees.unit == .call && sonar.fees.defaultSize == .low)
        let search = try #require(try Self.model("gpt-4o-search-preview", "openai")?.price)
        #expect(search.fees.unit == .searchOrCall)
        let gemini = try #require(try Self.model("gemini/gemini-2.5-flash", "gemini")?.price)
        #expect(gemini.fees.unit == .searchingCall)
    }

    @Test("marks last known prices, and those of another origin")
    func origins() throws {
        let book = try Shipped.book.get()
        #expect(try Self.model("azure/gpt-35-turbo-16k", "azure")?.price?.isRetired == true)
        #expect(try Self.model("anthropic/claude-3-haiku", "anthropic")?.price?.origin == "genai-prices")
        let current = try #require(try Self.model("gpt-4o", "openai")?.price)
        #expect(!current.isRetired && current.origin == nil)
        #expect(book.count > 4000)
    }

    @Test("has members of its own, which a copy of it keeps")
    func members() throws {
        let text = #"""
            {"_source": {"date": "2026-11-30"},
             "p/a": {"litellm_provider": "p", "input_cost_per_token": 1e-6, "also": {"p": ["p/b"], "xai": ["xai/c"]}},
             "p/d": {"litellm_provider": "p", "input_cost_per_token": 1e-6, "retired": true, "origin": "elsewhere"}}
            """#
        let file = try PriceFile(Array(text.utf8).span, spellings: ProviderSpellings(), isShipped: true)
        #expect(file.layer.models.map(\.key) == ["p/a", "p/b", "xai/c", "p/d"])
        #expect(file.layer["xai/c"]?.provider == "xai")
        #expect(file.layer["xai/c"]?.price?.stepsBeginAtThreshold == true)
        #expect(file.layer["p/b"]?.price === file.layer["p/a"]?.price)
        #expect(file.layer["p/d"]?.price?.isRetired == true && file.layer["p/d"]?.price?.origin == "elsewhere")
        #expect(file.madeOn == Instant(unixMilliseconds: 20_787 * 86_400_000))
        let other = try PriceFile(Array(text.utf8), spellings: ProviderSpellings())
        #expect(other.layer.models.map(\.key) == file.layer.models.map(\.key))
        #expect(other.layer["p/d"]?.price?.isRetired == true)
        // The age of a file is that of the file.
        #expect(other.madeOn == nil)
    }
}
