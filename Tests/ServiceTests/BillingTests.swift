import Foundation
import Model
import Testing

@testable import Service

/// Prices, plans and factors of a configuration, as totals and budgets show them.
@Suite("Billing") struct BillingTests {
    private static let prices = """
        prices:
          openai/m: {input_cost_per_token: 1e-3, output_cost_per_token: 2e-3, input_cost_per_token_flex: 5e-4,
            cache_creation_input_token_cost: 1.25e-3, cache_creation_input_token_cost_above_1hr: 2e-3,
            input_cost_per_audio_token: 1e-2, search_context_cost_per_query: {search_context_size_medium: 5}}
          acme/m: {input_cost_per_token: 1e-3, output_cost_per_token: 2e-3}

        """

    private static func labels(_ provider: String, _ model: String = "m", agent: String = "a") -> String {
        #"{agent_name="\#(agent)",provider="\#(provider)",model="\#(model)"}"#
    }

    private static func record(_ provider: String, _ members: String = "", agent: String = "a") -> String {
        #"{"agent_name":"\#(agent)","provider":"\#(provider)","model":"m","input_tokens":1000\#(members)}"#
    }

    /// Cost and plan equivalent of a set after one record.
    private static func billed(
        _ configuration: String, _ provider: String = "openai", _ members: String = "", agent: String = "a"
    ) throws -> [String?] {
        let service = try ServiceUnderTest(configuration: prices + configuration)
        #expect(try service.post("/record", record(provider, members, agent: agent)).status == 200)
        let labels = labels(provider, agent: agent)
        return [
            try service.sample("llm_cost_usd_total\(labels)"),
            try service.sample("llm_plan_equivalent_usd_total\(labels)"),
        ]
    }

    @Test(
        "a price factor multiplies computed costs of its provider, however that is spelled, and its model",
        arguments: [
            ("price_factors: [{provider: openai, factor: 0.5}]", "openai", "0.5"),
            ("price_factors: [{provider: OpenAI, factor: 0.5}]", "open_ai", "0.5"),
            ("price_factors: [{provider: open_ai, factor: 0.5}]", "openai", "0.5"),
            ("price_factors: [{provider: acme, factor: 0.5}]", "openai", "1"),
            ("price_factors: [{model: m, factor: 0.5}]", "openai", "0.5"),
            ("price_factors: [{model: M, factor: 0.5}]", "openai", "1"),
            ("price_factors: [{provider: openai, model: other, factor: 3}, {factor: 0.25}]", "openai", "0.25"),
            ("price_factors: [{factor: 0.25}, {provider: openai, factor: 3}]", "openai", "0.25"),
            ("price_factors: [{factor: 0}]", "openai", "0"), ("", "openai", "1"),
            ("aliases: {providers: {corp: openai}}\nprice_factors: [{provider: corp, factor: 2}]", "openai", "2"),
        ])
    func factors(configuration: String, provider: String, cost: String) throws {
        #expect(try Self.billed(configuration, provider) == [cost, nil])
        // A reported cost is what was paid.
        #expect(try Self.billed(configuration, provider, #","cost_usd":7"#) == ["7", nil])
    }

    @Test(
        "a price factor of a model holds for all names that are billed by it",
        arguments: [
            ("openai", "m-2026-01-01", ""), ("unknown", "openai/m", ""), ("openai", "openai/m", ""),
            ("openai", "M", ""),
            ("openai", "deployment", #","response_model":"m""#), ("corp", "m", ""), ("openai", "own", ""),
        ])
    func factorOfBilledModel(provider: String, model: String, members: String) throws {
        let service = try ServiceUnderTest(
            configuration: Self.prices + """
                aliases: {providers: {corp: openai}, models: {own: openai/m}}
                price_factors: [{provider: acme, factor: 3}, {provider: openai, model: m, factor: 0.5}, {factor: 7}]
                """)
        let body = #"""
            {"agent_name":"a","provider":"\#(provider)","model":"\#(model)","input_tokens":1000\#(members)}
            """#
        #expect(try service.post("/record", body).status == 200)
        #expect(try service.sample("llm_cost_usd_total\(Self.labels(provider, model))") == "0.5")
    }

    @Test(
        "a plan matches all that it gives: the agent, the provider however it is spelled",
        arguments: [
            ("plans: [{provider: openai}]", "openai", "a", true), ("plans: [{provider: OPEN_AI}]", "openai", "a", true),
            ("plans: [{provider: openai}]", "open_ai", "a", true), ("plans: [{provider: acme}]", "openai", "a", false),
            ("plans: [{agent_name: a}]", "openai", "a", true), ("plans: [{agent_name: A}]", "openai", "a", false),
            ("plans: [{agent_name: a, provider: openai}]", "openai", "a", true),
            ("plans: [{agent_name: a, provider: openai}]", "openai", "b", false),
            ("plans: [{agent_name: a, provider: openai}]", "acme", "a", false),
            ("plans: [{agent_name: x}, {provider: acme}]", "acme", "a", true),
            // A record of /record has no attributes.
            ("plans: [{provider: openai, attributes: {seat: yes-it-is}}]", "openai", "a", false),
        ])
    func plans(configuration: String, provider: String, agent: String, isPlan: Bool) throws {
        let totals = isPlan ? [nil, "1"] : ["1", nil]
        #expect(try Self.billed(configuration, provider, agent: agent) == totals)
    }

    @Test("what the record says goes before the configuration's plans")
    func explicitBilling() throws {
        let plans = "plans: [{provider: openai}]"
        #expect(try Self.billed(plans, "openai", #","billing":"metered""#) == ["1", nil])
        #expect(try Self.billed(plans, "acme", #","billing":"plan""#) == [nil, "1"])
        #expect(try Self.billed("", "openai", #","billing":"plan""#) == [nil, "1"])
        // A cost that a subscriber's client reports is an equivalent too; a factor applies to computed ones.
        #expect(try Self.billed(plans, "openai", #","cost_usd":7"#) == [nil, "7"])
        #expect(try Self.billed("\(plans)\nprice_factors: [{factor: 0.5}]") == [nil, "0.5"])
    }

    @Test("attributes of a span or log, or else of its resource, make a call one of a plan")
    func attributes() throws {
        func outcome(_ attribute: String, _ resource: String, model: String) throws -> [String?] {
            let service = try ServiceUnderTest(
                configuration: Self.prices
                    + "plans: [{provider: openai, attributes: {billing.mode: seat, org_id: '7'}}]")
            func list(_ text: String) -> String {
                text.split(separator: " ").map { pair in
                    let parts = pair.split(separator: "=")
                    return #"{"key":"\#(parts[0])","value":{"stringValue":"\#(parts[1])"}}"#
                }.joined(separator: ",")
            }
            let named = "gen_ai.operation.name=chat gen_ai.provider.name=openai gen_ai.request.model=m "
            let body = #"""
                {"resourceSpans":[{"resource":{"attributes":[\#(list("service.name=a \(resource)"))]},
                "scopeSpans":[{"spans":[
                {"traceId":"00000000000000000000000000000007","spanId":"0000000000000001","attributes":[
                \#(list(named + "gen_ai.usage.input_tokens=1000 \(attribute)"))]}]}]}]}
                """#
            #expect(try service.post("/v1/traces", body).status == 200)
            let labels = Self.labels("openai")
            return [
                try service.sample("llm_cost_usd_total\(labels)"),
                try service.sample("llm_plan_equivalent_usd_total\(labels)"),
            ]
        }
        for (attribute, resource, isPlan) in [
            ("billing.mode=seat org.id=7", "x=y", true), ("billing_mode=seat", "org_id=7", true),
            ("x=y", "billing.mode=seat org.id=7", true), ("billing.mode=metered", "billing.mode=seat org.id=7", false),
            ("billing.mode=seat", "x=y", false), ("billing.mode=Seat org.id=7", "x=y", false), ("x=y", "x=y", false),
        ] {
            #expect(
                try outcome(attribute, resource, model: "m") == (isPlan ? [nil, "1"] : ["1", nil]), "\(attribute)")
        }
    }

    @Test("calls of a plan touch neither budgets nor costs nor the summary's, and count otherwise")
    func planTotals() throws {
        let service = try ServiceUnderTest(
            configuration: Self.prices + "budgets: [{name: all, limit_usd: 10, period: day}]")
        let body = "[\(Self.record("openai", #","billing":"plan""#)),\(Self.record("acme"))]"
        #expect(try service.post("/record", body).json["accepted"] as? Int == 2)
        #expect(try service.sample("llm_cost_usd_total\(Self.labels("openai"))") == nil)
        #expect(try service.sample("llm_plan_equivalent_usd_total\(Self.labels("openai"))") == "1")
        #expect(try service.sample("llm_cost_usd_total\(Self.labels("acme"))") == "1")
        #expect(try service.sample("llm_tokens_total\(Self.labels("openai"))") == "1000")
        #expect(try service.sample(#"llm_calls_unpriced_total{provider="openai",model="m"}"#) == "0")
        #expect(try service.sample(#"llm_budget_spent_usd{budget="all",period="day"}"#) == "1")
        let summary = try service.get("/summary").json
        #expect(summary["total_cost_usd"] as? Double == 1)
        let models = try #require(summary["models"] as? [String: [String: Any]])
        #expect(models["openai/m"]?["cost_usd"] as? Double == 0)
        #expect(models["openai/m"]?["calls"] as? Int == 1)
        #expect(models["acme/m"]?["cost_usd"] as? Double == 1)
    }

    @Test("a plan call without a price has no equivalent, and nothing of the bill is missing")
    func unpricedPlan() throws {
        let service = try ServiceUnderTest()
        #expect(try service.post("/record", Self.record("acme", #","billing":"plan""#)).status == 200)
        #expect(try service.sample("llm_plan_equivalent_usd_total\(Self.labels("acme"))") == nil)
        #expect(try service.sample(#"llm_calls_unpriced_total{provider="acme",model="m"}"#) == "0")
        #expect(try service.get("/summary").json["unpriced_calls"] as? Int == 0)
    }

    @Test(
        "a call without usage is missing one if it may have been billed, and costs 0 otherwise; it is never unpriced",
        arguments: [
            ("success", true), ("timeout", true), ("cancelled", true), ("error", false), ("rate_limited", false),
            ("other", false),
        ], ["openai", "unlisted"])
    func usageMissing(outcome: (status: String, isMissing: Bool), provider: String) throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        let body = #"{"agent_name":"a","provider":"\#(provider)","model":"m","status":"\#(outcome.status)"}"#
        #expect(try service.post("/record", body).status == 200)
        let labels = Self.labels(provider)
        #expect(try service.sample("llm_calls_usage_missing_total\(labels)") == (outcome.isMissing ? "1" : "0"))
        #expect(try service.sample("llm_cost_usd_total\(labels)") == (outcome.isMissing ? nil : "0"))
        #expect(try service.sample(#"llm_calls_unpriced_total{provider="\#(provider)",model="m"}"#) == "0")
    }

    @Test("the kinds of tokens that few calls have show for a set once it has such tokens, and sum to its total")
    func kinds() throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        func kinds() throws -> [String: String] {
            var kinds: [String: String] = [:]
            for kind in TokenKind.allCases {
                let labels = #"{agent_name="a",provider="openai",model="m",token_type="\#(kind.name)"}"#
                kinds[kind.name] = try service.sample("llm_token_usage_total\(labels)")
            }
            return kinds
        }
        #expect(try service.post("/record", Self.record("openai")).status == 200)
        #expect(
            try kinds() == ["input": "1000", "cache_read": "0", "cache_write": "0", "output": "0", "reasoning": "0"])
        let parts = #","cache_write_tokens":300,"cache_write_1h_tokens":200,"input_audio_tokens":50"#
        #expect(try service.post("/record", Self.record("openai", parts)).status == 200)
        #expect(
            try kinds() == [
                "input": "1650", "cache_read": "0", "cache_write": "100", "cache_write_1h": "200", "input_audio": "50",
                "output": "0", "reasoning": "0",
            ])
        #expect(try kinds().values.compactMap { Int($0) }.reduce(0, +) == 2000)
        #expect(try service.sample("llm_tokens_total\(Self.labels("openai"))") == "2000")
    }

    @Test("searches count for a set once a call searched")
    func searches() throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        let labels = #"{agent_name="a",provider="openai",model="m",tool="web_search"}"#
        for (searches, count) in [("0", nil), ("3", "3"), ("0", "3"), ("2", "5")] as [(String, String?)] {
            let body = Self.record("openai", #","web_search_requests":\#(searches)"#)
            #expect(try service.post("/record", body).status == 200)
            #expect(try service.sample("llm_tool_requests_total\(labels)") == count)
        }
        #expect(try service.sample("llm_cost_usd_total\(Self.labels("openai"))") == "29")
    }

    // MARK: Two reports of one call

    private static func span(
        _ number: Int, inside parent: Int? = nil, scope: String, _ attributes: String, failed: Bool = false
    ) -> String {
        let list = attributes.split(separator: " ").map { pair in
            let parts = pair.split(separator: "=")
            let kind = Int64(parts[1]) == nil ? "stringValue" : "intValue"
            return #"{"key":"\#(parts[0])","value":{"\#(kind)":"\#(parts[1])"}}"#
        }
        let parent = parent.map { #""parentSpanId":"000000000000000\#($0)","# } ?? ""
        return #"""
            {"scope":{"name":"\#(scope)"},"spans":[{"traceId":"00000000000000000000000000000007",
            "spanId":"000000000000000\#(number)",\#(parent)"startTimeUnixNano":"178999999\#(number)000000000",
            "endTimeUnixNano":"1789999999000000000","status":{"code":\#(failed ? 2 : 0)},
            "attributes":[\#(list.joined(separator: ","))]}]}
            """#
    }

    private static func request(_ spans: [String]) -> String {
        #"""
        {"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},
        "scopeSpans":[\#(spans.joined(separator: ","))]}]}
        """#
    }

    private static func chat(_ provider: String) -> String {
        "gen_ai.operation.name=chat gen_ai.provider.name=\(provider) gen_ai.request.model=m"
    }

    /// Cost, plan equivalent, unpriced calls and calls without usage.
    private static func totals(_ service: ServiceUnderTest, _ provider: String) throws -> [String?] {
        let labels = labels(provider)
        return [
            try service.sample("llm_cost_usd_total\(labels)"),
            try service.sample("llm_plan_equivalent_usd_total\(labels)"),
            try service.sample(#"llm_calls_unpriced_total{provider="\#(provider)",model="m"}"#),
            try service.sample("llm_calls_usage_missing_total\(labels)"),
        ]
    }

    @Test(
        "of two reports, what one alone knows of the bill counts, in either order",
        arguments: [
            ("gen_ai.response.service_tier=flex", "0.5", nil, nil),
            ("gen_ai.usage.audio.input_tokens=100", "1.9", "input_audio", "100"),
            (
                "gen_ai.usage.cache_creation.input_tokens=100 gen_ai.usage.details.ephemeral_1h_input_tokens=100",
                "1.1",
                "cache_write_1h", "100"
            ),
            ("gen_ai.usage.details.web_search_requests=2", "11", nil, nil),
        ] as [(String, String, String?, String?)], [false, true])
    func merged(
        report: (attributes: String, cost: String, kind: String?, tokens: String?), knowsFirst: Bool
    ) throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        let call =
            Self.chat("openai") + " gen_ai.response.id=r gen_ai.usage.input_tokens=1000 gen_ai.usage.output_tokens=0"
        let outer = Self.span(1, scope: "outer", call)
        let inner = Self.span(2, inside: 1, scope: "inner", "\(call) \(report.attributes)")
        for span in knowsFirst ? [inner, outer] : [outer, inner] {
            #expect(try service.post("/v1/traces", Self.request([span])).status == 200)
        }
        let labels = Self.labels("openai")
        #expect(
            try service.sample(#"llm_calls_total{agent_name="a",provider="openai",model="m",status="success"}"#) == "1")
        #expect(try service.sample("llm_tokens_total\(labels)") == "1000")
        // The cost of the first report cannot be taken back.
        let cost = try #require(try service.sample("llm_cost_usd_total\(labels)").flatMap(Double.init))
        let known = try #require(Double(report.cost))
        #expect(cost == (knowsFirst ? known : max(1, known)))
        if let kind = report.kind, knowsFirst {
            let labels = #"{agent_name="a",provider="openai",model="m",token_type="\#(kind)"}"#
            #expect(try service.sample("llm_token_usage_total\(labels)") == report.tokens)
        }
        if report.attributes.contains("web_search") {
            let labels = #"{agent_name="a",provider="openai",model="m",tool="web_search"}"#
            #expect(try service.sample("llm_tool_requests_total\(labels)") == "2")
        }
    }

    @Test(
        "a service without a price leaves the call unpriced, whichever of its reports names it",
        arguments: [
            ("acme", "", "gen_ai.response.service_tier=flex"),
            ("acme", "gen_ai.usage.details.web_search_requests=1", ""),
            // Each of the two prices lacks what the other report names.
            ("openai", "gen_ai.usage.details.web_search_requests=1", "gen_ai.response.service_tier=flex"),
        ], [false, true])
    func mergedWithoutPrice(
        report: (provider: String, outer: String, inner: String), isReversed: Bool
    ) throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        let call = Self.chat(report.provider) + " gen_ai.usage.input_tokens=1000 gen_ai.usage.output_tokens=0 "
        let spans = [
            Self.span(1, scope: "outer", call + report.outer),
            Self.span(2, inside: 1, scope: "inner", call + report.inner),
        ]
        #expect(try service.post("/v1/traces", Self.request(isReversed ? spans.reversed() : spans)).status == 200)
        #expect(try Self.totals(service, report.provider) == [nil, nil, "1", "0"])
    }

    @Test("a report without tokens that is counted for its call does not hide that it has no price")
    func mergedWithoutTokens() throws {
        let service = try ServiceUnderTest(configuration: Self.prices)
        let outer = Self.chat("unlisted") + " gen_ai.agent.name=a gen_ai.conversation.id=c"
        let inner = Self.chat("unlisted") + " gen_ai.usage.input_tokens=1000"
        let body = Self.request([
            Self.span(1, scope: "outer", outer), Self.span(2, inside: 1, scope: "inner", inner),
        ])
        #expect(try service.post("/v1/traces", body).status == 200)
        #expect(try Self.totals(service, "unlisted") == [nil, nil, "1", "0"])
    }

    @Test("a failed call that cost 0 is unpriced, once, when a later report has tokens without a price")
    func laterTokensWithoutPrice() throws {
        let service = try ServiceUnderTest(
            configuration: Self.prices + "budgets: [{name: all, limit_usd: 10, period: day}]")
        let inner = Self.chat("unlisted") + " gen_ai.usage.output_tokens=0 gen_ai.usage.input_tokens="
        let spans = [
            Self.span(1, scope: "outer", Self.chat("unlisted"), failed: true),
            Self.span(2, inside: 1, scope: "inner", inner + "1000", failed: true),
            Self.span(3, inside: 2, scope: "innermost", inner + "1100", failed: true),
        ]
        for (span, unpriced) in zip(spans, ["0", "1", "1"]) {
            #expect(try service.post("/v1/traces", Self.request([span])).status == 200)
            #expect(try Self.totals(service, "unlisted") == ["0", nil, unpriced, "0"])
        }
        #expect(try service.sample("llm_tokens_total\(Self.labels("unlisted"))") == "1100")
        #expect(try service.get("/summary").json["unpriced_calls"] as? Int == 1)
        #expect(try service.get("/api/v1/budgets/all").json["unpriced_calls"] as? Int == 1)
    }

    @Test("of two calls within one span, each is priced and paid for by itself", arguments: [false, true])
    func mergedCalls(isReversed: Bool) throws {
        func outcome(_ provider: String, _ plain: String, _ other: String) throws -> [String?] {
            let service = try ServiceUnderTest(configuration: Self.prices + "plans: [{attributes: {seat: own}}]")
            let spans = [
                Self.span(
                    2, inside: 1, scope: "inner", "\(Self.chat(provider)) gen_ai.usage.input_tokens=1000 \(plain)"),
                Self.span(
                    3, inside: 1, scope: "inner", "\(Self.chat(provider)) gen_ai.usage.input_tokens=2000 \(other)"),
            ]
            let body = Self.request(
                [Self.span(1, scope: "outer", Self.chat(provider))] + (isReversed ? spans.reversed() : spans))
            #expect(try service.post("/v1/traces", body).status == 200)
            return try Self.totals(service, provider)
        }
        #expect(try outcome("acme", "x=1", "gen_ai.response.service_tier=flex") == ["1", nil, "1", "0"])
        #expect(try outcome("openai", "x=1", "seat=own") == ["1", "2", "0", "0"])
    }

    // MARK: Reloads

    @Test("a reload changes plans and factors from then on, and forgets what it found by the old prices")
    func reload() throws {
        let path = try ServiceUnderTest.file(Self.prices)
        let service = try ServiceUnderTest { $0.configuration.configurationFile = path }
        func cost() throws -> String? { try service.sample("llm_cost_usd_total\(Self.labels("openai"))") }
        func reload(_ text: String) throws -> Int {
            try Data((Self.prices + text).utf8).write(to: URL(filePath: path))
            return try service.post("/-/reload").status
        }
        #expect(try service.post("/record", Self.record("openai")).status == 200)
        #expect(try cost() == "1")
        #expect(try reload("price_factors: [{factor: 0.5}]") == 200)
        #expect(try service.post("/record", Self.record("openai")).status == 200)
        #expect(try cost() == "1.5")
        #expect(try reload("plans: [{provider: openai}]") == 200)
        #expect(try service.post("/record", Self.record("openai")).status == 200)
        #expect(try cost() == "1.5")
        #expect(try service.sample("llm_plan_equivalent_usd_total\(Self.labels("openai"))") == "1")
        // A faulty one changes nothing.
        #expect(try reload("plans: [{}]") == 500)
        #expect(try service.post("/record", Self.record("openai")).status == 200)
        #expect(try cost() == "1.5")
    }
}
