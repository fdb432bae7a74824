import Foundation
import Model
import Pricing
import Testing

@testable import Configuration

/// The parts of a configuration for calls that are not billed by the price table alone.
@Suite("Plans and price factors") struct BillingTests {
    private static func read(_ text: String) throws(ConfigurationError) -> ConfigurationFile {
        try ConfigurationFile(text, file: "c.yaml")
    }

    private static func prices(_ text: String) throws -> PriceLayer {
        try read(text).prices(ProviderSpellings()) { _ in }
    }

    private static func factor(_ text: String) throws -> PriceFactor {
        try #require(DecimalNumber(text.utf8).flatMap(PriceFactor.init))
    }

    @Test("plans match by agent, provider and attributes, each or all of them")
    func plans() throws {
        let file = try Self.read(
            """
            plans:
              - {agent_name: Coder}
              - provider: anthropic
                attributes: {billing.mode: seat, organization_id: "42"}
              - {attributes: {user_email: a@example.com}, agent_name: A, provider: p}
            """)
        #expect(
            file.plans == [
                PlanRule(agentName: LabelValue("Coder"), provider: nil, attributes: [:]),
                PlanRule(
                    agentName: nil, provider: LabelValue("anthropic"),
                    // `_` and `.` are one in names of attributes, and not in their values.
                    attributes: ["billing.mode": "seat", "organization.id": "42"]),
                PlanRule(
                    agentName: LabelValue("A"), provider: LabelValue("p"), attributes: ["user.email": "a@example.com"]),
            ])
        #expect(!file.isEmpty)
    }

    @Test("price factors match by provider and model, and one without either applies to all")
    func factors() throws {
        let file = try Self.read(
            """
            price_factors:
              - {provider: anthropic, model: claude-opus-4-6, factor: 0.85}
              - {provider: anthropic, factor: 1.1}
              - {model: gpt-4o, factor: 0}
              - {factor: 1000}
            """)
        let factors = try file.priceFactors(ProviderSpellings())
        #expect(
            factors == [
                PriceFactorRule(
                    provider: LabelValue("anthropic"), model: LabelValue("claude-opus-4-6"),
                    factor: try Self.factor("0.85")),
                PriceFactorRule(provider: LabelValue("anthropic"), model: nil, factor: try Self.factor("1.1")),
                PriceFactorRule(provider: nil, model: LabelValue("gpt-4o"), factor: try Self.factor("0")),
                PriceFactorRule(provider: nil, model: nil, factor: try Self.factor("1000")),
            ])
        #expect(!file.isEmpty)
    }

    @Test(
        "lists without entries set nothing", arguments: ["plans:\nprice_factors:\n", "plans: []", "price_factors: []"])
    func empty(text: String) throws {
        #expect(try Self.read(text).isEmpty)
    }

    @Test(
        "that are wrong are refused, with the line and the remedy",
        arguments: [
            ("plans: {}", 1, "plans must be a list (lines that begin with -)"),
            ("plans:\n- 5", 2, "plans[0] must be a mapping (name: value)"),
            ("plans:\n- {}", 2, "plans[0] would match every call: give agent_name, provider or attributes"),
            (
                "plans:\n- attributes: {}", 2,
                "plans[0] would match every call: give agent_name, provider or attributes"
            ),
            (
                "plans:\n- {agent: A}", 2,
                "plans[0].agent is not known here; the keys are agent_name, provider, attributes"
            ),
            (
                "plans:\n- {agent_name: _other}", 2,
                "plans[0].agent_name must not begin with _: no record has such a label"
            ),
            (
                "plans:\n- {provider: ' p'}", 2,
                "plans[0].provider must have 1 to 256 bytes, no control characters, and no spaces at its ends"
            ),
            ("plans:\n- {provider: }", 2, "plans[0].provider must have a value; leave the line out for all of them"),
            ("plans:\n- attributes: [a]", 2, "plans[0].attributes must be a mapping (name: value)"),
            ("plans:\n- attributes: {a: [b]}", 2, "plans[0].attributes.a must be a string"),
            (
                "plans:\n- attributes: {a: ''}", 2,
                "plans[0].attributes.a must have 1 to 256 bytes, no control characters, and no spaces at its ends"
            ),
            ("plans:\n- attributes: {'': x}", 2, "plans[0].attributes. stands here a second time, or has no name"),
            (
                "plans:\n- attributes:\n    a.b: x\n    a_b: y", 4,
                "plans[0].attributes.a_b stands here a second time, or has no name"
            ),
            ("plans:\n- {provider: p}\n- {provider: p}", 3, "plans[1] repeats an earlier entry"),
            (
                "plans: [\((0...16).map { "{attributes: {a\($0): x}}" }.joined(separator: ", "))]", 1,
                "plans names more than 16 attributes"
            ),
            (
                "plans: [\((0...1000).map { "{provider: p\($0)}" }.joined(separator: ", "))]", 1,
                "plans has more than 1000 plans"
            ),
            ("price_factors: 0.85", 1, "price_factors must be a list (lines that begin with -)"),
            ("price_factors:\n- {provider: p}", 2, "price_factors[0] needs factor, such as 0.85"),
            (
                "price_factors:\n- {provider: p, factor: -1}", 2,
                "price_factors[0].factor must be a number from 0 to 1000 with at most six decimal places, such as 0.85"
            ),
            (
                "price_factors:\n- {factor: 1000.1}", 2,
                "price_factors[0].factor must be a number from 0 to 1000 with at most six decimal places, such as 0.85"
            ),
            (
                "price_factors:\n- {factor: 0.1234567}", 2,
                "price_factors[0].factor must be a number from 0 to 1000 with at most six decimal places, such as 0.85"
            ),
            (
                "price_factors:\n- {factor: .nan}", 2,
                "price_factors[0].factor must be a number from 0 to 1000 with at most six decimal places, such as 0.85"
            ),
            (
                "price_factors:\n- {factor: 85%}", 2,
                "price_factors[0].factor must be a number from 0 to 1000 with at most six decimal places, such as 0.85"
            ),
            ("price_factors:\n- {factor: '0.85'}", 2, "price_factors[0].factor must be a number, without quotes"),
            (
                "price_factors:\n- factor: 1\n  nonsense:\n    a: b", 3,
                "price_factors[0].nonsense is not known here; the keys are provider, model, factor"
            ),
            (
                "price_factors:\n- {agent_name: a, factor: 1}", 2,
                "price_factors[0].agent_name is not known here; the keys are provider, model, factor"
            ),
            (
                "price_factors:\n- {model: _other, factor: 1}", 2,
                "price_factors[0].model must not begin with _: no record has such a label"
            ),
            (
                "price_factors:\n- {provider: p, factor: 1}\n- {provider: p, factor: 2}", 3,
                "price_factors[1] repeats the provider and model of an earlier entry, which applies"
            ),
            (
                "price_factors: [\((0...1000).map { "{provider: p\($0), factor: 1}" }.joined(separator: ", "))]", 1,
                "price_factors has more than 1000 factors"
            ),
        ] as [(String, Int, String)])
    func refused(text: String, line: Int, reason: String) {
        let error = #expect(throws: ConfigurationError.self) { try Self.read(text).priceFactors(ProviderSpellings()) }
        #expect(error?.description == "c.yaml:\(line): \(reason)")
    }

    @Test(
        "prices have a field for each part of a bill",
        arguments: [
            "cache_creation_input_token_cost_above_1hr: 1e-6", "cache_creation_input_token_cost_above_12hr: 1e-6",
            "input_cost_per_audio_token: 1e-6", "output_cost_per_audio_token_flex: 1e-6",
            "input_cost_per_image_token: 1e-6", "output_cost_per_image_token_above_200k_tokens_batches: 1e-6",
            "input_cost_per_request: 0.01", "search_context_cost_per_query: {search_context_size_low: 0.005}",
            "web_search_billing_unit: per_query",
            "off_peak_pricing: {hours_utc: 16:30-00:30, input_cost_per_token: 1e-7}",
            "off_peak_pricing: {hours_utc: [16:30-00:30, 04:00-05:00], input_cost_per_token: 1e-7}",
            "off_peak_pricing: {windows: [{hours_utc: 16:30-00:30, weekdays: [1, sat]}], weekday_timezone: Asia/Tokyo,"
                + " output_cost_per_token: 1e-7}",
        ])
    func fields(field: String) throws {
        let text = "prices:\n  p/m:\n    input_cost_per_token: 1e-6\n    \(field)\n"
        let prices = try Self.prices(text)
        #expect(prices["p/m"]?.price != nil)
    }

    @Test(
        "prices that are wrong are refused, with the line and the remedy",
        arguments: [
            (
                "search_context_cost_per_query: {search_context_size_large: 1}",
                "search_context_cost_per_query.search_context_size_large is not known here; the keys are "
                    + "search_context_size_low, search_context_size_medium, search_context_size_high"
            ),
            (
                "search_context_cost_per_query: {search_context_size_low: 11}",
                "search_context_cost_per_query.search_context_size_low must be 0, or a number from 1e-24 to 10, in "
                    + "USD, such as 0.005"
            ),
            ("search_context_cost_per_query: 5", "search_context_cost_per_query must be a mapping (name: value)"),
            (
                "input_cost_per_request: -1",
                "input_cost_per_request must be 0, or a number from 1e-24 to 10, in USD, such as 0.005"
            ),
            ("web_search_billing_unit: per_call", "web_search_billing_unit must be per_query or per_prompt"),
            (
                "off_peak_pricing: {hours_utc: 16-17}",
                "off_peak_pricing.hours_utc must be hours of UTC as in 16:30-00:30"
            ),
            (
                "off_peak_pricing: {hours_utc: 16:30-00:30, weekday_timezone: Europe/Berlin}",
                "off_peak_pricing.weekday_timezone must be one of Asia/Hong_Kong, Asia/Kolkata, Asia/Seoul, "
                    + "Asia/Shanghai, Asia/Singapore, Asia/Taipei, Asia/Tokyo, Etc/UTC, UTC"
            ),
            (
                "off_peak_pricing: {windows: [{hours_utc: 16:30-00:30, days: [1]}]}",
                "off_peak_pricing.windows[0].days is not known here; the keys are hours_utc, weekdays"
            ),
            (
                "off_peak_pricing: {windows: [{hours_utc: 16:30-00:30, weekdays: [8]}]}",
                "off_peak_pricing.windows[0].weekdays[0] must be a day of the week: 1 to 7, or mon to sun"
            ),
            (
                "off_peak_pricing: {hours: 16:30-00:30}",
                "off_peak_pricing.hours is not known here; the keys are hours_utc, windows, weekday_timezone, "
                    + "input_cost_per_token, cache_read_input_token_cost, cache_creation_input_token_cost, "
                    + "cache_creation_input_token_cost_above_1hr, input_cost_per_audio_token, "
                    + "input_cost_per_image_token, output_cost_per_token, output_cost_per_reasoning_token, "
                    + "output_cost_per_audio_token, output_cost_per_image_token"
            ),
        ])
    func refusedPrices(field: String, reason: String) throws {
        let text = "prices:\n  p/m:\n    input_cost_per_token: 1e-6\n    \(field)\n"
        let error = #expect(throws: ConfigurationError.self) { try Self.prices(text) }
        #expect(error?.description == "c.yaml:4: prices.p/m.\(reason)")
    }

    @Test(
        "off-peak prices without hours, or without a rate, change nothing and are refused",
        arguments: [
            "off_peak_pricing: {input_cost_per_token: 1e-7}", "off_peak_pricing: {hours_utc: 16:30-00:30}",
            "off_peak_pricing: {windows: [], input_cost_per_token: 1e-7}",
        ])
    func offPeakWithoutEffect(field: String) {
        let text = "prices:\n  p/m:\n    input_cost_per_token: 1e-6\n    \(field)\n"
        #expect(throws: ConfigurationError.self) { try Self.prices(text) }
    }

    @Test(
        "fields of the shipped table alone are not for operators",
        arguments: [
            "also: {p: [p/n]}", "retired: true", "origin: elsewhere", "citation_cost_per_token: 1e-6",
            "input_cost_per_character: 1e-6",
        ])
    func notForOperators(field: String) {
        let text = "prices:\n  p/m:\n    input_cost_per_token: 1e-6\n    \(field)\n"
        let error = #expect(throws: ConfigurationError.self) { try Self.prices(text) }
        let name = field.prefix { $0 != ":" }
        #expect(error?.description.hasPrefix("c.yaml:4: prices.p/m.\(name) is not known here") == true)
    }

    @Test("attributes that plans name are kept by their names with dots")
    func keptAttributes() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: path) }
        try Data("plans: [{attributes: {a_b: x}}]\nprice_factors: [{factor: 2}]".utf8).write(to: path)
        let configuration = try Configuration(.init(usesShippedPrices: false, configurationFile: path.path))
        #expect(configuration.planRules.flatMap(\.attributes.keys) == ["a.b"])
        #expect(configuration.priceFactors.count == 1)
        #expect(configuration.hasFileContent && configuration.warnings.isEmpty)
    }
}
