/// The families of docs/metrics.md that the registry keeps.
enum CallFamilies {
    static let calls = MetricFamily.Head(
        name: "llm_calls_total", kind: .counter, help: "LLM calls by outcome; anything but success counts as an error.")
    static let tokens = MetricFamily.Head(
        name: "llm_tokens_total", kind: .counter, help: "Tokens of LLM calls, input and output together.")
    static let cost = MetricFamily.Head(
        name: "llm_cost_usd_total", kind: .counter, help: "Cost of LLM calls in US dollars; unpriced calls add nothing."
    )
    static let memoryRSS = MetricFamily.Head(
        name: "llm_memory_rss_mb", kind: .gauge, help: "Resident memory in megabytes that the agent last reported.")
    static let memoryAvailable = MetricFamily.Head(
        name: "llm_memory_available_mb", kind: .gauge,
        help: "Available memory in megabytes that an agent last reported.")
    static let activeCalls = MetricFamily.Head(
        name: "llm_active_calls", kind: .gauge, help: "LLM calls that have begun and neither ended nor expired.")
    static let latency = MetricFamily.Head(
        name: "llm_latency_seconds", kind: .histogram, help: "Time that LLM calls took, in seconds.")
    static let apiLatency = MetricFamily.Head(
        name: "llm_api_latency_seconds", kind: .histogram,
        help: "Time that the provider's API took to answer, in seconds.")
    static let lastInputTokens = MetricFamily.Head(
        name: "llm_input_tokens_last_call", kind: .gauge, help: "Input tokens of the last LLM call.")
    static let lastOutputTokens = MetricFamily.Head(
        name: "llm_output_tokens_last_call", kind: .gauge, help: "Output tokens of the last LLM call.")
    static let tokenUsage = MetricFamily.Head(
        name: "llm_token_usage_total", kind: .counter,
        help: "Tokens of LLM calls by kind; the kinds do not overlap.")
    static let unpriced = MetricFamily.Head(
        name: "llm_calls_unpriced_total", kind: .counter, help: "LLM calls whose cost is not known.")
    static let usageMissing = MetricFamily.Head(
        name: "llm_calls_usage_missing_total", kind: .counter,
        help: "Successful LLM calls that were reported without token counts.")
    static let errors = MetricFamily.Head(
        name: "llm_errors_total", kind: .counter, help: "Failed LLM calls by type of error.")
    static let expired = MetricFamily.Head(
        name: "llm_active_calls_expired_total", kind: .counter,
        help: "LLM calls that began and did not end within the lease.")
}
