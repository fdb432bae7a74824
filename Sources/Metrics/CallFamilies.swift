import Model

/// The families of docs/metrics.md that the registry keeps, in its order. A new one is declared here once.
enum CallFamilies {
    /// A family, and how its samples are written.
    struct Family: Sendable {
        let head: MetricFamily.Head
        let write: @Sendable (inout Exposition, Snapshot) -> Void

        init(
            _ name: String, _ kind: MetricFamily.Kind, _ help: String,
            _ write: @escaping @Sendable (MetricFamily.Head, inout Exposition, Snapshot) -> Void
        ) {
            let head = MetricFamily.Head(name: name, kind: kind, help: help)
            self.head = head
            self.write = { write(head, &$0, $1) }
        }
    }

    static let all: [Family] = [
        Family("llm_calls_total", .counter, "LLM calls by outcome; anything but success counts as an error.") {
            $1.appendCalls($2.calls, of: $0)
        },
        Family("llm_tokens_total", .counter, "Tokens of LLM calls, input and output together.") {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.tokens) }
        },
        Family("llm_cost_usd_total", .counter, "Cost of LLM calls in US dollars; unpriced calls add nothing.") {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.cost) }
        },
        Family("llm_memory_rss_mb", .gauge, "Resident memory in megabytes that the agent last reported.") {
            for agent in $2.agents {
                guard let megabytes = agent.memoryRSSMegabytes else { continue }
                $1.append(MetricFamily.Sample(labels: agent.block, value: .double(megabytes)), of: $0.name)
            }
        },
        Family("llm_memory_available_mb", .gauge, "Available memory in megabytes that an agent last reported.") {
            guard let megabytes = $2.memoryAvailableMegabytes else { return }
            $1.append(MetricFamily.Sample(value: .double(megabytes)), of: $0.name)
        },
        Family("llm_active_calls", .gauge, "LLM calls that have begun and neither ended nor expired.") {
            $1.append($2.agents, of: $0) { ($0[$1].block, $0[$1].reportsActiveCalls ? $0[$1].activeCalls : nil) }
        },
        Family("llm_latency_seconds", .histogram, "Time that LLM calls took, in seconds.") {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.latency) }
        },
        Family("llm_api_latency_seconds", .histogram, "Time that the provider's API took to answer, in seconds.") {
            $1.append($2.endpoints, of: $0) { ($0[$1].block, Optional($0[$1].latency)) }
        },
        Family("llm_input_tokens_last_call", .gauge, "Input tokens of the last LLM call.") {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.lastInputTokens) }
        },
        Family("llm_output_tokens_last_call", .gauge, "Output tokens of the last LLM call.") {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.lastOutputTokens) }
        },
        Family("llm_token_usage_total", .counter, "Tokens of LLM calls by kind; the kinds do not overlap.") {
            $1.appendKinds($2.calls, of: $0)
        },
        Family(
            "llm_tool_requests_total", .counter, "Requests of tools on the provider's side that it bills for, by tool."
        ) {
            $1.append($2.calls, of: $0, with: ("tool", "web_search")) {
                ($0[$1].block, $0[$1].totals.webSearches > 0 ? $0[$1].totals.webSearches : nil)
            }
        },
        Family(
            "llm_plan_equivalent_usd_total", .counter,
            "What LLM calls that a subscription pays for would have cost in US dollars."
        ) {
            $1.append($2.calls, of: $0) { ($0[$1].block, $0[$1].totals.planEquivalent) }
        },
        Family("llm_calls_unpriced_total", .counter, "LLM calls whose cost is not known.") {
            $1.append($2.offerings, of: $0) { ($0[$1].block, Optional($0[$1].unpricedCalls)) }
        },
        Family(
            "llm_calls_usage_missing_total", .counter,
            "LLM calls that report no tokens and may have been billed: success, timeout and cancelled."
        ) {
            $1.append($2.calls, of: $0) { ($0[$1].block, Optional($0[$1].totals.usageMissing)) }
        },
        Family("llm_errors_total", .counter, "Failed LLM calls by type of error.") {
            $1.appendErrors($2.calls, of: $0)
        },
        Family(
            "llm_active_calls_expired_total", .counter, "LLM calls that began and did not end within the lease."
        ) {
            $1.append($2.agents, of: $0) { ($0[$1].block, $0[$1].reportsActiveCalls ? $0[$1].expiredCalls : nil) }
        },
    ]
}
