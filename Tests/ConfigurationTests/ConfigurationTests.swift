import FoundationEssentials
import Glibc
import Model
import Testing

@testable import Configuration

@Suite("A configuration") struct ConfigurationTests {
    /// Reads a configuration file of this text, alone or over other sources.
    private static func read(_ text: String, prices: [String] = []) throws -> Configuration {
        let folder = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        func file(_ name: String, _ text: String) throws -> String {
            let path = folder.appending(path: name)
            try Data(text.utf8).write(to: path)
            return path.path
        }
        let files = try prices.enumerated().map { try file("\($0).json", $1) }
        let sources = Configuration.Sources(
            usesShippedPrices: false, priceFiles: files, configurationFile: try file("c.yaml", text))
        do {
            return try Configuration(sources)
        } catch {
            throw Refusal(description: error.description.replacing(folder.path + "/", with: ""))
        }
    }

    private static let keys = "prices, aliases, price_factors, plans, budgets, agent_attributes, sources"
    private static let priceFields = """
        litellm_provider, input_cost_per_token, cache_read_input_token_cost, cache_creation_input_token_cost, \
        cache_creation_input_token_cost_above_1hr, input_cost_per_audio_token, input_cost_per_image_token, \
        output_cost_per_token, output_cost_per_reasoning_token, output_cost_per_audio_token, \
        output_cost_per_image_token, each of these with _above_<N>k_tokens, and with _batches, _flex or _priority at \
        its end, tiered_pricing, off_peak_pricing, search_context_cost_per_query, web_search_billing_unit, \
        input_cost_per_request
        """

    private struct Refusal: Error {
        let description: String
    }

    @Test("a key with line breaks is refused on one line")
    func lineBreaks() {
        let refusal = #expect(throws: Refusal.self) { try Self.read(#""a\nb\u2028\e": 1"#) }
        #expect(refusal?.description.contains(#"a\u000ab\u2028\u001b"#) == true)
    }

    @Test("holds prices, aliases and budgets")
    func whole() throws {
        let configuration = try Self.read(
            """
            # A comment.
            prices:
              acme/big: {input_cost_per_token: 1e-6, output_cost_per_token: 0.000002}
              small:
                litellm_provider: acme
                tiered_pricing:
                  - {range: [0, 32000], input_cost_per_token: 3.0e-6, output_cost_per_token: 0}
                  - {range: [32000, 64000], input_cost_per_token: 4e-6, output_cost_per_token: 0}
            aliases:
              models: {big: acme/big}
              providers: {gateway: acme}
            budgets:
              - {name: all, limit_usd: 1e3, period: month}
              - name: "reviewers"
                agent_name: Reviewer GPT
                provider: openai
                model: gpt-4o
                limit_usd: 0.25
                period: hour
            """)
        let prices = configuration.prices
        #expect(
            prices.match(provider: "ACME", model: "big")?.prices.first?.standard.base[.input]?.perMillionTokens == "1")
        #expect(
            prices.match(provider: "x", model: "big")?.prices.first?.standard.base[.output]?.perMillionTokens == "2")
        #expect(
            prices.match(provider: "gateway", model: "small")?.prices.first?.standard.steps.first?.rates[.input]?
                .perMillionTokens == "4")
        #expect(
            configuration.budgets == [
                Budget(
                    name: LabelValue("all"), limit: try #require(Money(picoUSD: 1_000_000_000_000_000)), period: .month),
                Budget(
                    name: LabelValue("reviewers"), agentName: LabelValue("Reviewer GPT"),
                    provider: LabelValue("openai"),
                    model: LabelValue("gpt-4o"), limit: try #require(Money(picoUSD: 250_000_000_000)), period: .hour),
            ])
    }

    @Test("may repeat a value by an alias")
    func repeated() throws {
        let prices = try Self.read(
            """
            prices:
              p/a: &rates {input_cost_per_token: 1e-6}
              p/b: *rates
            """
        ).prices
        #expect(prices.match(provider: "p", model: "b")?.prices.first?.standard.base[.input]?.perMillionTokens == "1")
    }

    @Test("may be empty, or hold nothing but comments", arguments: ["", "# nothing\n", "budgets:\n", "---\n"])
    func empty(text: String) throws {
        let configuration = try Self.read(text)
        #expect(configuration.budgets.isEmpty)
        #expect(configuration.prices.count == 0)
    }

    @Test("goes over price files, and each of them over those before it")
    func layers() throws {
        func file(_ rate: String) -> String {
            #"{"p/m": {"litellm_provider": "p", "input_cost_per_token": \#(rate), "output_cost_per_token": 1}}"#
        }
        let files = try Self.read("", prices: [file("1e-6"), file("2e-6")])
        #expect(
            files.prices.match(provider: "p", model: "m")?.prices.first?.standard.base[.input]?.perMillionTokens == "2")
        let over = try Self.read("prices: {p/m: {input_cost_per_token: 3e-6}}", prices: [file("1e-6")])
        #expect(
            over.prices.match(provider: "p", model: "m")?.prices.first?.standard.base[.input]?.perMillionTokens == "3")
        // However it is spelled.
        let spelled = try Self.read(
            "prices: {m: {litellm_provider: gate, input_cost_per_token: 4e-6}}\naliases: {providers: {gate: P}}",
            prices: [file("1e-6")])
        #expect(
            spelled.prices.match(provider: "p", model: "m")?.prices.first?.standard.base[.input]?.perMillionTokens
                == "4")
        // Whole: nothing is left of the entry before.
        #expect(over.prices.match(provider: "p", model: "m")?.prices.first?.standard.base[.output] == nil)
    }

    @Test(
        "that is wrong is refused, with the flag, the file, the line and the remedy",
        arguments: [
            (
                "budget: []", 1,
                "budget is not known here; the keys are \(keys)"
            ),
            ("sources: {}", 1, "sources must be a list (lines that begin with -)"),
            ("sources:\n- agent_name: a", 2, "sources[0] needs count: one of record, litellm, traces, logs"),
            ("sources:\n- {count: spans}", 2, "sources[0].count must be one of record, litellm, traces, logs"),
            (
                "sources:\n- {count: logs, model: m}", 2,
                "sources[0].model is not known here; the keys are agent_name, provider, count"
            ),
            (
                "sources:\n- {provider: p, count: logs}\n- {provider: p, count: traces}", 3,
                "sources[1] repeats the agent_name and provider of an earlier entry"
            ),
            ("- 1", 1, "the file must be a mapping (name: value)"),
            ("a: [", 2, "not YAML: while parsing a flow node: did not find expected node content"),
            ("\n\nbudgets: 5", 3, "budgets must be a list (lines that begin with -)"),
            ("agent_attributes: user.email", 1, "agent_attributes must be a list (lines that begin with -)"),
            ("agent_attributes:\n  - user.email\n  -", 3, "agent_attributes[1] must be a string"),
            (
                "agent_attributes: ['']", 1,
                "agent_attributes[0] must have 1 to 256 bytes, no control characters, and no spaces at its ends"
            ),
            ("agent_attributes:\n- a\n- b\n- a", 4, "agent_attributes[2] is in the list already"),
            (
                "agent_attributes: [\((0...16).map { "a\($0)" }.joined(separator: ","))]", 1,
                "agent_attributes has more than 16 attributes"
            ),
            ("budgets: []\naliases: {}\nbudgets: []", 3, "budgets stands here a second time"),
            ("budgets: []\n---\nbudgets: []", 2, "a second document begins here; the file has one"),
            ("x: &a [*a]", 1, "nested more than 32 levels, or more than 100000 values or 1000 anchors"),
            (
                "prices:\n  m: {input_cost_per_token: 1e-6}", 2,
                "prices.m needs litellm_provider, or a key of the form provider/model"
            ),
            ("prices:\n  p/m: {}", 2, "prices.p/m has no rate; give input_cost_per_token and output_cost_per_token"),
            (
                "prices:\n  p/m:\n    input_cost_per_token: free", 3,
                "prices.p/m.input_cost_per_token must be 0, or a number from 1e-24 to 10, in USD for one token, such as 1.5e-7"
            ),
            (
                "prices:\n  p/m:\n    input_cost_per_token: '1'", 3,
                "prices.p/m.input_cost_per_token must be a number, without quotes"
            ),
            (
                "prices:\n  p/m:\n    input_price: 1", 3,
                "prices.p/m.input_price is not known here; the keys are \(priceFields)"
            ),
            (
                "prices:\n  m:\n    litelprovider: q", 3,
                "prices.m.litelprovider is not known here; the keys are \(priceFields)"
            ),
            (
                "prices:\n  p/m:\n    tiered_pricing:\n      - {range: [0], input_cost_per_token: 0}", 4,
                "prices.p/m.tiered_pricing[0] needs a range of two whole numbers of tokens, as in range: [0, 32000]"
            ),
            (
                "prices:\n  p/m:\n    tiered_pricing:\n      - {range: [1, 2], input_cost_per_token: 0}", 2,
                "prices.p/m tiered_pricing: the first range must begin at 0"
            ),
            (
                "x: " + String(repeating: "[", count: 100_000), 1,
                "nested more than 32 levels, or more than 100000 values or 1000 anchors"
            ),
            (
                (0...1000).map { "- &a\($0) x\n" }.joined(), 1001,
                "nested more than 32 levels, or more than 100000 values or 1000 anchors"
            ),
            (
                String(repeating: "- ", count: 100_000), 1,
                "nested more than 32 levels, or more than 100000 values or 1000 anchors"
            ),
            ("x: *a", 1, "not YAML: found undefined alias"),
            ("x: &a 1\ny: &a 2", 2, "not YAML: found duplicate anchor; first occurrence: second occurrence"),
            ("? *a\n: 1\n? &a b", 1, "not YAML: found undefined alias"),
            ("a: \"\\q\"", 1, "not YAML: while parsing a quoted scalar: found unknown escape character"),
            // A value that is repeated counts each time: here 111,111 values, and 2 x 20 levels.
            (
                "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
                    + zip("abcd", "bcde").map { alias, name in
                        "\(name): &\(name) [" + Array(repeating: "*\(alias)", count: 10).joined(separator: ",") + "]\n"
                    }.joined(), 5, "nested more than 32 levels, or more than 100000 values or 1000 anchors"
            ),
            (
                "a: &a " + String(repeating: "[", count: 20) + String(repeating: "]", count: 20) + "\nb: "
                    + String(repeating: "[", count: 20) + "*a" + String(repeating: "]", count: 20), 2,
                "nested more than 32 levels, or more than 100000 values or 1000 anchors"
            ),
            ("aliases:\n  models: {a: [b]}", 2, "aliases.models.a must be a string"),
            (
                "aliases:\n  models:\n    a: p/m", 3,
                "aliases.models.a leads to p/m, which has no price: name a model that has, as provider/model"
            ),
            (
                "aliases:\n  providers:\n    x: a\n    a: b\n    b: a", 3, "aliases.providers.x leads back to itself"
            ),
            (
                "aliases:\n  providers:\n    x: a\n    A: b\n    a: c", 5,
                "aliases.providers.a stands here a second time: providers are compared without case"
            ),
            ("aliases:\n  providers: {a: ''}", 2, "aliases.providers.a must name two providers"),
            (
                "budgets:\n  - {name: a, agent_name: , limit_usd: 1, period: day}", 2,
                "budgets[0].agent_name must have a value; leave the line out for all of them"
            ),
            (
                "budgets:\n  - {name: a, provider: _other, limit_usd: 1, period: day}", 2,
                "budgets[0].provider must not begin with _: no record has such a label"
            ),
            (
                "budgets:\n  - {name: a, limit_usd: 1e-20, period: day}", 2,
                "budgets[0].limit_usd must be 0, or a number from 1e-12 to 1e18, in USD, such as 50 or 0.25"
            ),
            (
                "prices:\n  /m: {input_cost_per_token: 1}", 2,
                "prices./m names no provider or no model: the key is model, or provider/model"
            ),
            ("aliases:\n  model: {}", 2, "aliases.model is not known here; the keys are models, providers"),
            ("budgets:\n  - {limit_usd: 1, period: day}", 2, "budgets[0] needs a name"),
            ("budgets:\n  - {name: a, period: day}", 2, "budgets[0] needs limit_usd"),
            ("budgets:\n  - {name: a, limit_usd: 1}", 2, "budgets[0] needs a period"),
            (
                "budgets:\n  - {name: a, limit_usd: 1,\n     period: year}", 3,
                "budgets[0].period must be one of hour, day, week, month"
            ),
            (
                "budgets:\n  - {name: a, limit_usd: -1, period: day}", 2,
                "budgets[0].limit_usd must be 0, or a number from 1e-12 to 1e18, in USD, such as 50 or 0.25"
            ),
            (
                "budgets:\n  - {name: a, limit_usd: .inf, period: day}", 2,
                "budgets[0].limit_usd must be 0, or a number from 1e-12 to 1e18, in USD, such as 50 or 0.25"
            ),
            (
                "budgets:\n  - {name: a, limit_usd: 1, period: day}\n  - {name: a, limit_usd: 2, period: hour}", 3,
                "budgets[1] has the name of another budget, a; each budget needs its own"
            ),
            (
                "budgets:\n  - {name: 'a ', limit_usd: 1, period: day}", 2,
                "budgets[0].name must have 1 to 256 bytes, no control characters, and no spaces at its ends"
            ),
            (
                "budgets:\n  - {name: a, limit: 1, period: day}", 2,
                "budgets[0].limit is not known here; the keys are name, agent_name, provider, model, limit_usd, period"
            ),
        ])
    func refused(text: String, line: Int, reason: String) throws {
        let refusal = #expect(throws: Refusal.self) { try Self.read(text) }
        #expect(refusal?.description == "--config.file c.yaml:\(line): \(reason)")
    }

    @Test("whose files cannot be read names them")
    func missing() throws {
        let none = Configuration.Sources(configurationFile: "/nowhere/c.yaml")
        let error = #expect(throws: ConfigurationError.self) { try Configuration(none) }
        #expect(error?.description == "--config.file /nowhere/c.yaml: cannot be read: No such file or directory")
        let folder = #expect(throws: ConfigurationError.self) { try Configuration(.init(priceFiles: ["/"])) }
        #expect(folder?.description == "--prices.file /: is not a regular file, which could be read again on reload")
    }

    @Test("is read only from regular files, up to a limit")
    func unreadable() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        unsafe #expect(mkfifo(path, 0o600) == 0)
        for sources in [Configuration.Sources(priceFiles: [path]), Configuration.Sources(configurationFile: path)] {
            let error = #expect(throws: ConfigurationError.self) { try Configuration(sources) }
            #expect(error?.description.hasSuffix("is not a regular file, which could be read again on reload") == true)
        }
        try FileManager.default.removeItem(atPath: path)
        try Data(repeating: UInt8(ascii: "#"), count: 1 << 20 + 1).write(to: URL(filePath: path))
        let error = #expect(throws: ConfigurationError.self) { try Configuration(.init(configurationFile: path)) }
        #expect(error?.description == "--config.file \(path): is larger than 1048576 bytes")
    }

    @Test("shows the example that ships, whole")
    func example() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "docs/config.example.yaml").path
        let configuration = try Configuration(.init(configurationFile: path))
        #expect(!configuration.budgets.isEmpty)
        #expect(configuration.prices.match(provider: "acme", model: "acme-large")?.prices.first != nil)
    }

    @Test("a rate that looks like a price for a million tokens is warned of, by file, key and line")
    func doubtfulRates() throws {
        let configuration = try Self.read(
            """
            prices:
              openai/a: {input_cost_per_token: 3, output_cost_per_token: 0.01}
              openai/b:
                input_cost_per_token: 1e-7
                output_cost_per_token: 2e-7
                output_cost_per_token_above_200k_tokens: 0.011
            """,
            prices: [
                """
                {"x": {"litellm_provider": "p", "input_cost_per_token": 0.010000001},
                 "y": {"litellm_provider": "p", "input_cost_per_token": 0.01,
                       "tiered_pricing": [{"range": [0, 10], "input_cost_per_token": 2.5}]}}
                """
            ])
        let question = "USD for one token: is that the price of a million tokens?"
        let warnings = configuration.warnings.map { warning in
            String(warning.split(separator: "/").last ?? "").replacing(question, with: "?")
        }
        #expect(
            warnings == [
                "0.json: line 1: \"x\": input_cost_per_token is 0.010000001 ?",
                "0.json: line 3: \"y\": input_cost_per_token is 2.5 ?",
                "a.input_cost_per_token is 3 ?", "b.output_cost_per_token_above_200k_tokens is 0.011 ?",
            ])
        #expect(configuration.warnings.allSatisfy { $0.hasPrefix("--prices.file ") || $0.hasPrefix("--config.file ") })
        #expect(configuration.warnings[2].contains("c.yaml:2: prices.openai/"))
        #expect(configuration.warnings[3].contains("c.yaml:6: prices.openai/"))
    }

    @Test("many doubtful rates give few warnings")
    func manyDoubtfulRates() throws {
        let entries = (0..<500).map { #""m\#($0)": {"litellm_provider": "p", "input_cost_per_token": 1}"# }
        let configuration = try Self.read("prices: {}", prices: ["{\(entries.joined(separator: ","))}"])
        #expect(configuration.warnings.count == 21)
        #expect(configuration.warnings.last == "and 481 more such warnings")
    }

    @Test("a file of comments alone sets nothing on purpose, and may not replace one that sets something")
    func comments() throws {
        let configuration = try Self.read("# prices:\n\n  # budgets:\n")
        #expect(!configuration.hasFileContent && configuration.warnings.isEmpty)
        #expect(throws: ConfigurationError.self) { try configuration.checkReplacing(hadFileContent: true) }
    }

    @Test("sources name the intake that counts, in their order")
    func sources() throws {
        let configuration = try Self.read("sources: [{agent_name: A, provider: p, count: litellm}, {count: traces}]")
        #expect(
            configuration.sourceRules == [
                SourceRule(agentName: LabelValue("A"), provider: LabelValue("p"), counted: .litellm),
                SourceRule(agentName: nil, provider: nil, counted: .traces),
            ])
        #expect(configuration.hasFileContent)
    }

    @Test("agent_attributes keep their order")
    func agentAttributes() throws {
        let configuration = try Self.read("agent_attributes: [user.email, team]")
        #expect(configuration.agentAttributes == ["user.email", "team"])
        #expect(configuration.hasFileContent && configuration.warnings.isEmpty)
    }

    @Test("the shipped prices have no doubtful rate")
    func shippedRates() throws {
        #expect(try Configuration(Configuration.Sources()).warnings.isEmpty)
    }

    @Test(
        "a file that sets nothing is warned of",
        arguments: ["", " \n", "---", "null", "{}", "budgets: []", "prices:", "agent_attributes:"])
    func setsNothing(text: String) throws {
        let configuration = try Self.read(text)
        #expect(!configuration.hasFileContent)
        #expect(configuration.warnings.count == 1)
        #expect(configuration.warnings[0].contains("c.yaml: sets nothing"))
        #expect(throws: ConfigurationError.self) { try configuration.checkReplacing(hadFileContent: true) }
        try configuration.checkReplacing(hadFileContent: false)
        #expect(try !Self.read("aliases: {providers: {a: openai}}").warnings.contains { $0.contains("sets nothing") })
    }
}

@Suite("A web configuration") struct WebConfigurationTests {
    private static func read(_ text: String) throws -> WebConfiguration {
        let file = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-\(UUID().uuidString).yml")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        return try WebConfiguration(path: file.path)
    }

    @Test(
        "that protects nothing is refused",
        arguments: [
            ("", "sets nothing"), ("# users: later\n", "sets nothing"), ("--- # nothing\n", "sets nothing"),
            ("{}", "sets nothing"), ("tls_server_config:\nhttp_server_config:\n", "sets nothing"),
            ("http_server_config: {headers: {Strict-Transport-Security: ''}}", "sets nothing"),
            ("basic_auth_users:\n", "basic_auth_users is empty"),
            ("basic_auth_users: {}\n", "basic_auth_users is empty"),
            ("bearer_tokens: []\n", "bearer_tokens is empty"),
            ("http_server_config: {headers: {X-Frame-Options: deny}}\nbearer_tokens:\n", "bearer_tokens is empty"),
            ("tls_server_config: {cert: c, key: k}\nbasic_auth_users: {}\n", "basic_auth_users is empty"),
            ("user_scopes:\n", "user_scopes names no user"),
        ])
    func protectsNothing(text: String, fault: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read(text) }
        #expect(error?.description.contains(fault) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains("--web.config.file") == true)
    }

    private static let users = "basic_auth_users: {a: $2y$04$29VbwzVXpFAb8dovqNpReOzStr46zeJ6fZy4chuU1Sx.M7LEup.OG}\n"

    private static func tls(_ more: String) -> String { "tls_server_config: {cert: c, key: k\(more)}\n" }

    private static let verified = tls(", client_ca: a, client_auth_type: RequireAndVerifyClientCert")
    private static let named = tls(
        ", client_ca: a, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [x, y]")
    private static let any = tls(", client_auth_type: RequireAnyClientCert")

    @Test(
        "cannot be replaced by one that lets strangers in",
        arguments: [
            (users, tls("")), (users + verified, users), (users + verified, users + tls("")),
            (users + verified, verified),
            (verified, tls(", client_ca: a, client_auth_type: VerifyClientCertIfGiven")), (verified, any),
            (any, tls("")),
            (any, users + tls(", client_auth_type: RequestClientCert")), (named, verified), (verified, users + tls("")),
        ])
    func opening(before: String, after: String) throws {
        let before = try Self.read(before), after = try Self.read(after)
        let error = #expect(throws: ConfigurationError.self) { try after.checkReplacing(before) }
        #expect(error?.description.contains("restart the exporter") == true)
    }

    @Test(
        "can be replaced by one that asks for as much",
        arguments: [
            (users, users), (users, users + verified), (tls(""), users), (verified, named), (any, verified),
            (named, named.replacing("[x, y]", with: "[z]")), (verified, users + verified), (tls(""), any),
            (users, users.replacing("{a:", with: "{b:")),
        ])
    func keeping(before: String, after: String) throws {
        try Self.read(after).checkReplacing(Self.read(before))
    }
}
