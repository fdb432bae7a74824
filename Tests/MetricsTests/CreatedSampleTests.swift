import Metrics
import Model
import Testing

@Suite("Created samples") struct CreatedSampleTests {
    private static func day() throws -> Day {
        var day = Day(bounds: try #require(HistogramBounds(microseconds: [1_000_000])))
        try day.happened(.call(usage: Usage(input: 1)), .started("Watcher", id: 1))
        day.pass(.milliseconds(1500))
        try day.happened(
            .call(
                status: "timeout", errorType: "t", picoUSD: 1, latencyMicroseconds: 5, apiLatencyMicroseconds: 4,
                firstTokenMicroseconds: 3))
        return day
    }

    private static let own = [
        MetricFamily(
            name: "own_total", kind: .counter, help: "",
            samples: [
                .init(labels: LabelBlock([("a", LabelValue("b"))]), value: .integer(1)), .init(value: .integer(2)),
            ]),
        MetricFamily(name: "own", kind: .gauge, help: "", samples: [.init(value: .integer(3))]),
    ]

    @Test("follow each counter and histogram in OpenMetrics, with the arrival of the record that created it")
    func openMetrics() throws {
        let lines = try Self.day().samples(.openMetrics(hasCreatedSamples: true), own: Self.own)
        let set = #"agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini""#
        let kinds = ["input", "cache_read", "cache_write", "output", "reasoning"]
        // `own` is rendered as of the second instant, when it is said to have begun.
        let (first, second) = ("1700000000", "1700000001.5")
        let expected =
            [
                #"llm_calls_created{\#(set),status="success"} \#(first)"#,
                #"llm_calls_created{\#(set),status="error"} \#(first)"#,
                #"llm_calls_created{\#(set),status="timeout"} \#(second)"#,
                #"llm_tokens_created{\#(set)} \#(first)"#, #"llm_cost_usd_created{\#(set)} \#(second)"#,
                #"llm_latency_seconds_created{\#(set)} \#(second)"#,
                #"llm_api_latency_seconds_created{agent_name="ReviewerGPT",provider="openai"} \#(second)"#,
                #"llm_time_to_first_token_seconds_created{\#(set)} \#(second)"#,
            ] + kinds.map { #"llm_token_usage_created{\#(set),token_type="\#($0)"} \#(first)"# } + [
                #"llm_calls_unpriced_created{provider="openai",model="gpt-4o-mini"} \#(first)"#,
                #"llm_calls_usage_missing_created{\#(set)} \#(first)"#,
                #"llm_errors_created{\#(set),error_type="t"} \#(second)"#,
                #"llm_active_calls_expired_created{agent_name="Watcher"} \#(first)"#,
                #"own_created{a="b"} \#(second)"#, "own_created \(second)",
            ]
        #expect(lines.filter { $0.contains("_created") } == expected)
        // Behind the samples of the same labels.
        for (place, line) in lines.enumerated() where line.contains("_created") {
            let labels = line.split(separator: " ")[0].drop { $0 != "{" }
            #expect(lines[place - 1].contains(labels), "\(line)")
        }
    }

    @Test("are left out elsewhere")
    func others() throws {
        for format in textFormats {
            #expect(try Self.day().samples(format, own: Self.own).allSatisfy { !$0.contains("_created") })
        }
    }
}
