import Metrics
import Model
import Testing

@Suite("A whole scrape") struct GoldenTests {
    /// Two sets of two agents with all families between them, and one of each kind of the exporter's own.
    static func day() throws -> (day: Day, own: [MetricFamily]) {
        let bounds = try #require(HistogramBounds(microseconds: [100_000, 1_000_000, 2_500_000]))
        var day = Day(bounds: bounds)
        try day.happened(
            .call(
                usage: Usage(input: 1_200, output: 340, cacheRead: 1_000, cacheWrite: 50, reasoning: 40),
                picoUSD: 384_000_000, latencyMicroseconds: 2_000_000, apiLatencyMicroseconds: 1_750_001,
                firstTokenMicroseconds: 250_000, memoryRSSMegabytes: 256, memoryAvailableMegabytes: 8_123.25,
                traceID: "0af7651916cd43dd8448eb211c80319c"
            ),
            .call(usage: Usage(input: 100, output: 8), picoUSD: 1, latencyMicroseconds: 100_000),
            .call(status: "rate_limited", errorType: "429", latencyMicroseconds: 3_600_000_000, memoryRSSMegabytes: 300)
        )
        try day.happened(
            .call("Codesmith", "anthropic", "claude", usage: Usage(total: 26_450_535)),
            .call("Codesmith", "anthropic", "claude"),
            .call("Codesmith", "anthropic", "claude", status: "error", errorType: "unknown"),
            .started("Codesmith", id: 1), .started("Watcher", id: 2), .started("Watcher", id: 3))
        day.expireAllCalls()
        try day.happened(.started("Codesmith", id: 4))
        let own = [
            MetricFamily(
                name: "llm_exporter_records_total", kind: .counter, help: "Records by \"outcome\"\nand C:\\path.",
                samples: [
                    .init(labels: LabelBlock([("outcome", LabelValue("accepted"))]), value: .integer(6)),
                    .init(labels: LabelBlock([("outcome", LabelValue("rejected"))]), value: .integer(0)),
                ]),
            MetricFamily(
                name: "process_cpu_seconds_total", kind: .counter, help: "CPU time.",
                samples: [.init(value: .scaled(12_340, scale: 3))]),
            MetricFamily(
                name: "process_start_time_seconds", kind: .gauge, help: "Start.",
                samples: [.init(value: .double(1_700_000_000.25))]),
            MetricFamily(
                name: "llm_exporter_commit_seconds", kind: .histogram, help: "Commits.",
                samples: [
                    .init(
                        labels: LabelBlock([("outcome", LabelValue("ok"))]),
                        value: .histogram(bounds: bounds, counts: [2, 0, 1, 4], sumMicroseconds: 40_000_500)),
                    .init(value: .histogram(bounds: bounds, counts: [0, 0, 0, 0], sumMicroseconds: 0)),
                ]),
        ]
        return (day, own)
    }

    @Test("in text format 0.0.4 is this text")
    func text() throws {
        let (day, own) = try Self.day()
        #expect(day.scrape(.text, own: own) == Self.text)
    }

    @Test("in OpenMetrics 1.0 is this text")
    func openMetrics() throws {
        let (day, own) = try Self.day()
        #expect(day.scrape(.openMetrics(hasCreatedSamples: false), own: own) == Self.openMetrics)
    }

    static let text = #"""
        # HELP llm_calls_total LLM calls by outcome; anything but success counts as an error.
        # TYPE llm_calls_total counter
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="success"} 2
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="error"} 0
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="rate_limited"} 1
        llm_calls_total{agent_name="Codesmith",provider="anthropic",model="claude",status="success"} 2
        llm_calls_total{agent_name="Codesmith",provider="anthropic",model="claude",status="error"} 1
        # HELP llm_tokens_total Tokens of LLM calls, input and output together.
        # TYPE llm_tokens_total counter
        llm_tokens_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 1648
        llm_tokens_total{agent_name="Codesmith",provider="anthropic",model="claude"} 26450535
        # HELP llm_cost_usd_total Cost of LLM calls in US dollars; unpriced calls add nothing.
        # TYPE llm_cost_usd_total counter
        llm_cost_usd_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.000384000001
        # HELP llm_memory_rss_mb Resident memory in megabytes that the agent last reported.
        # TYPE llm_memory_rss_mb gauge
        llm_memory_rss_mb{agent_name="ReviewerGPT"} 300
        # HELP llm_memory_available_mb Available memory in megabytes that an agent last reported.
        # TYPE llm_memory_available_mb gauge
        llm_memory_available_mb 8123.25
        # HELP llm_active_calls LLM calls that have begun and neither ended nor expired.
        # TYPE llm_active_calls gauge
        llm_active_calls{agent_name="Codesmith"} 1
        llm_active_calls{agent_name="Watcher"} 0
        # HELP llm_latency_seconds Time that LLM calls took, in seconds.
        # TYPE llm_latency_seconds histogram
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="0.1"} 1
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="1.0"} 1
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="2.5"} 2
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="+Inf"} 3
        llm_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 3602.1
        llm_latency_seconds_count{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 3
        # HELP llm_api_latency_seconds Time that the provider's API took to answer, in seconds.
        # TYPE llm_api_latency_seconds histogram
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="0.1"} 0
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="1.0"} 0
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="2.5"} 1
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="+Inf"} 1
        llm_api_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai"} 1.750001
        llm_api_latency_seconds_count{agent_name="ReviewerGPT",provider="openai"} 1
        # HELP llm_input_tokens_last_call Input tokens of the last LLM call.
        # TYPE llm_input_tokens_last_call gauge
        llm_input_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 100
        # HELP llm_output_tokens_last_call Output tokens of the last LLM call.
        # TYPE llm_output_tokens_last_call gauge
        llm_output_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 8
        # HELP llm_time_to_first_token_seconds Time from the request to the first token of streamed answers, in seconds.
        # TYPE llm_time_to_first_token_seconds histogram
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="0.1"} 0
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="1.0"} 1
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="2.5"} 1
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="+Inf"} 1
        llm_time_to_first_token_seconds_sum{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.25
        llm_time_to_first_token_seconds_count{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 1
        # HELP llm_token_usage_total Tokens of LLM calls by kind; the kinds do not overlap.
        # TYPE llm_token_usage_total counter
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="input"} 250
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="cache_read"} 1000
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="cache_write"} 50
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="output"} 308
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="reasoning"} 40
        # HELP llm_tool_requests_total Requests of tools on the provider's side that it bills for, by tool.
        # TYPE llm_tool_requests_total counter
        # HELP llm_plan_equivalent_usd_total What LLM calls that a subscription pays for would have cost in US dollars.
        # TYPE llm_plan_equivalent_usd_total counter
        # HELP llm_calls_unpriced_total LLM calls whose cost is not known.
        # TYPE llm_calls_unpriced_total counter
        llm_calls_unpriced_total{provider="openai",model="gpt-4o-mini"} 1
        llm_calls_unpriced_total{provider="anthropic",model="claude"} 3
        # HELP llm_calls_usage_missing_total LLM calls that report no tokens and may have been billed: success, timeout and cancelled.
        # TYPE llm_calls_usage_missing_total counter
        llm_calls_usage_missing_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0
        llm_calls_usage_missing_total{agent_name="Codesmith",provider="anthropic",model="claude"} 1
        # HELP llm_errors_total Failed LLM calls by type of error.
        # TYPE llm_errors_total counter
        llm_errors_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",error_type="429"} 1
        llm_errors_total{agent_name="Codesmith",provider="anthropic",model="claude",error_type="unknown"} 1
        # HELP llm_active_calls_expired_total LLM calls that began and did not end within the lease.
        # TYPE llm_active_calls_expired_total counter
        llm_active_calls_expired_total{agent_name="Codesmith"} 1
        llm_active_calls_expired_total{agent_name="Watcher"} 2
        # HELP llm_exporter_records_total Records by "outcome"\nand C:\\path.
        # TYPE llm_exporter_records_total counter
        llm_exporter_records_total{outcome="accepted"} 6
        llm_exporter_records_total{outcome="rejected"} 0
        # HELP process_cpu_seconds_total CPU time.
        # TYPE process_cpu_seconds_total counter
        process_cpu_seconds_total 12.34
        # HELP process_start_time_seconds Start.
        # TYPE process_start_time_seconds gauge
        process_start_time_seconds 1700000000.25
        # HELP llm_exporter_commit_seconds Commits.
        # TYPE llm_exporter_commit_seconds histogram
        llm_exporter_commit_seconds_bucket{outcome="ok",le="0.1"} 2
        llm_exporter_commit_seconds_bucket{outcome="ok",le="1.0"} 2
        llm_exporter_commit_seconds_bucket{outcome="ok",le="2.5"} 3
        llm_exporter_commit_seconds_bucket{outcome="ok",le="+Inf"} 7
        llm_exporter_commit_seconds_sum{outcome="ok"} 40.0005
        llm_exporter_commit_seconds_count{outcome="ok"} 7
        llm_exporter_commit_seconds_bucket{le="0.1"} 0
        llm_exporter_commit_seconds_bucket{le="1.0"} 0
        llm_exporter_commit_seconds_bucket{le="2.5"} 0
        llm_exporter_commit_seconds_bucket{le="+Inf"} 0
        llm_exporter_commit_seconds_sum 0
        llm_exporter_commit_seconds_count 0

        """#

    static let openMetrics = #"""
        # HELP llm_calls LLM calls by outcome; anything but success counts as an error.
        # TYPE llm_calls counter
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="success"} 2
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="error"} 0
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="rate_limited"} 1
        llm_calls_total{agent_name="Codesmith",provider="anthropic",model="claude",status="success"} 2
        llm_calls_total{agent_name="Codesmith",provider="anthropic",model="claude",status="error"} 1
        # HELP llm_tokens Tokens of LLM calls, input and output together.
        # TYPE llm_tokens counter
        llm_tokens_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 1648
        llm_tokens_total{agent_name="Codesmith",provider="anthropic",model="claude"} 26450535
        # HELP llm_cost_usd Cost of LLM calls in US dollars; unpriced calls add nothing.
        # TYPE llm_cost_usd counter
        llm_cost_usd_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.000384000001
        # HELP llm_memory_rss_mb Resident memory in megabytes that the agent last reported.
        # TYPE llm_memory_rss_mb gauge
        llm_memory_rss_mb{agent_name="ReviewerGPT"} 300
        # HELP llm_memory_available_mb Available memory in megabytes that an agent last reported.
        # TYPE llm_memory_available_mb gauge
        llm_memory_available_mb 8123.25
        # HELP llm_active_calls LLM calls that have begun and neither ended nor expired.
        # TYPE llm_active_calls gauge
        llm_active_calls{agent_name="Codesmith"} 1
        llm_active_calls{agent_name="Watcher"} 0
        # HELP llm_latency_seconds Time that LLM calls took, in seconds.
        # TYPE llm_latency_seconds histogram
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="0.1"} 1
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="1.0"} 1
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="2.5"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 2 1700000000.123
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="+Inf"} 3
        llm_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 3602.1
        llm_latency_seconds_count{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 3
        # HELP llm_api_latency_seconds Time that the provider's API took to answer, in seconds.
        # TYPE llm_api_latency_seconds histogram
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="0.1"} 0
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="1.0"} 0
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="2.5"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 1.750001 1700000000.123
        llm_api_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",le="+Inf"} 1
        llm_api_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai"} 1.750001
        llm_api_latency_seconds_count{agent_name="ReviewerGPT",provider="openai"} 1
        # HELP llm_input_tokens_last_call Input tokens of the last LLM call.
        # TYPE llm_input_tokens_last_call gauge
        llm_input_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 100
        # HELP llm_output_tokens_last_call Output tokens of the last LLM call.
        # TYPE llm_output_tokens_last_call gauge
        llm_output_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 8
        # HELP llm_time_to_first_token_seconds Time from the request to the first token of streamed answers, in seconds.
        # TYPE llm_time_to_first_token_seconds histogram
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="0.1"} 0
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="1.0"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.25 1700000000.123
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="2.5"} 1
        llm_time_to_first_token_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="+Inf"} 1
        llm_time_to_first_token_seconds_sum{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.25
        llm_time_to_first_token_seconds_count{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 1
        # HELP llm_token_usage Tokens of LLM calls by kind; the kinds do not overlap.
        # TYPE llm_token_usage counter
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="input"} 250
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="cache_read"} 1000
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="cache_write"} 50
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="output"} 308
        llm_token_usage_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",token_type="reasoning"} 40
        # HELP llm_tool_requests Requests of tools on the provider's side that it bills for, by tool.
        # TYPE llm_tool_requests counter
        # HELP llm_plan_equivalent_usd What LLM calls that a subscription pays for would have cost in US dollars.
        # TYPE llm_plan_equivalent_usd counter
        # HELP llm_calls_unpriced LLM calls whose cost is not known.
        # TYPE llm_calls_unpriced counter
        llm_calls_unpriced_total{provider="openai",model="gpt-4o-mini"} 1
        llm_calls_unpriced_total{provider="anthropic",model="claude"} 3
        # HELP llm_calls_usage_missing LLM calls that report no tokens and may have been billed: success, timeout and cancelled.
        # TYPE llm_calls_usage_missing counter
        llm_calls_usage_missing_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0
        llm_calls_usage_missing_total{agent_name="Codesmith",provider="anthropic",model="claude"} 1
        # HELP llm_errors Failed LLM calls by type of error.
        # TYPE llm_errors counter
        llm_errors_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",error_type="429"} 1
        llm_errors_total{agent_name="Codesmith",provider="anthropic",model="claude",error_type="unknown"} 1
        # HELP llm_active_calls_expired LLM calls that began and did not end within the lease.
        # TYPE llm_active_calls_expired counter
        llm_active_calls_expired_total{agent_name="Codesmith"} 1
        llm_active_calls_expired_total{agent_name="Watcher"} 2
        # HELP llm_exporter_records Records by \"outcome\"\nand C:\\path.
        # TYPE llm_exporter_records counter
        llm_exporter_records_total{outcome="accepted"} 6
        llm_exporter_records_total{outcome="rejected"} 0
        # HELP process_cpu_seconds CPU time.
        # TYPE process_cpu_seconds counter
        process_cpu_seconds_total 12.34
        # HELP process_start_time_seconds Start.
        # TYPE process_start_time_seconds gauge
        process_start_time_seconds 1700000000.25
        # HELP llm_exporter_commit_seconds Commits.
        # TYPE llm_exporter_commit_seconds histogram
        llm_exporter_commit_seconds_bucket{outcome="ok",le="0.1"} 2
        llm_exporter_commit_seconds_bucket{outcome="ok",le="1.0"} 2
        llm_exporter_commit_seconds_bucket{outcome="ok",le="2.5"} 3
        llm_exporter_commit_seconds_bucket{outcome="ok",le="+Inf"} 7
        llm_exporter_commit_seconds_sum{outcome="ok"} 40.0005
        llm_exporter_commit_seconds_count{outcome="ok"} 7
        llm_exporter_commit_seconds_bucket{le="0.1"} 0
        llm_exporter_commit_seconds_bucket{le="1.0"} 0
        llm_exporter_commit_seconds_bucket{le="2.5"} 0
        llm_exporter_commit_seconds_bucket{le="+Inf"} 0
        llm_exporter_commit_seconds_sum 0
        llm_exporter_commit_seconds_count 0
        # EOF

        """#
}
