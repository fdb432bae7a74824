import Model

/// The families of docs/metrics.md that the registry keeps, in its order. A new one is declared here once.
enum CallFamilies {
    static func write(_ snapshot: Snapshot, to writer: inout some SampleWriter) {
        let calls = LabelledSeries(snapshot.calls) { writer.labels(of: $0[$1].block) }
        let endpoints = LabelledSeries(snapshot.endpoints) { writer.labels(of: $0[$1].block) }
        let offerings = LabelledSeries(snapshot.offerings) { writer.labels(of: $0[$1].block) }
        let agents = LabelledSeries(snapshot.agents) { writer.labels(of: $0[$1].block) }
        let buckets = writer.buckets(of: snapshot.bounds)

        writer.family("llm_calls_total", .counter, "LLM calls by outcome; anything but success counts as an error.") {
            $0.appendCalls(calls)
        }
        writer.family("llm_tokens_total", .counter, "Tokens of LLM calls, input and output together.") {
            $0.append(calls, created: { $0[$1].totals.created.set }, value: { $0[$1].totals.tokens })
        }
        writer.family(
            "llm_cost_usd_total", .counter, "Cost of LLM calls in US dollars; unpriced calls add nothing."
        ) {
            $0.append(calls, created: { $0[$1].totals.created[.cost] }, money: { $0[$1].totals.cost })
        }
        writer.family("llm_memory_rss_mb", .gauge, "Resident memory in megabytes that the agent last reported.") {
            $0.append(agents, double: { $0[$1].memoryRSSMegabytes })
        }
        writer.family("llm_memory_available_mb", .gauge, "Available memory in megabytes that an agent last reported.") {
            if let megabytes = snapshot.memoryAvailableMegabytes { $0.append(megabytes, []) }
        }
        writer.family("llm_active_calls", .gauge, "LLM calls that have begun and neither ended nor expired.") {
            $0.append(agents, value: { $0[$1].reportsActiveCalls ? $0[$1].activeCalls : nil })
        }
        writer.family("llm_latency_seconds", .histogram, "Time that LLM calls took, in seconds.") {
            $0.append(
                calls, buckets, created: { $0[$1].totals.created[.latency] }, histogram: { $0[$1].totals.latency })
        }
        writer.family(
            "llm_api_latency_seconds", .histogram, "Time that the provider's API took to answer, in seconds."
        ) {
            $0.append(endpoints, buckets, created: { $0[$1].created }, histogram: { $0[$1].latency })
        }
        writer.family("llm_input_tokens_last_call", .gauge, "Input tokens of the last LLM call.") {
            $0.append(calls, value: { $0[$1].totals.lastInputTokens })
        }
        writer.family("llm_output_tokens_last_call", .gauge, "Output tokens of the last LLM call.") {
            $0.append(calls, value: { $0[$1].totals.lastOutputTokens })
        }
        writer.family(
            "llm_time_to_first_token_seconds", .histogram,
            "Time from the request to the first token of streamed answers, in seconds."
        ) {
            $0.append(
                calls, buckets, created: { $0[$1].totals.created[.timeToFirstToken] },
                histogram: { $0[$1].totals.timeToFirstToken })
        }
        writer.family("llm_token_usage_total", .counter, "Tokens of LLM calls by kind; the kinds do not overlap.") {
            $0.appendKinds(calls)
        }
        writer.family(
            "llm_tool_requests_total", .counter, "Requests of tools on the provider's side that it bills for, by tool."
        ) {
            $0.append(
                calls, with: $0.label("tool", LabelValue("web_search")),
                created: { $0[$1].totals.created[.webSearches] },
                value: { $0[$1].totals.webSearches > 0 ? $0[$1].totals.webSearches : nil })
        }
        writer.family(
            "llm_plan_equivalent_usd_total", .counter,
            "What LLM calls that a subscription pays for would have cost in US dollars."
        ) {
            $0.append(
                calls, created: { $0[$1].totals.created[.planEquivalent] }, money: { $0[$1].totals.planEquivalent })
        }
        writer.family("llm_calls_unpriced_total", .counter, "LLM calls whose cost is not known.") {
            $0.append(offerings, created: { $0[$1].created }, value: { $0[$1].unpricedCalls })
        }
        writer.family(
            "llm_calls_usage_missing_total", .counter,
            "LLM calls that report no tokens and may have been billed: success, timeout and cancelled."
        ) {
            $0.append(calls, created: { $0[$1].totals.created.set }, value: { $0[$1].totals.usageMissing })
        }
        writer.family("llm_errors_total", .counter, "Failed LLM calls by type of error.") {
            $0.appendErrors(calls)
        }
        writer.family(
            "llm_active_calls_expired_total", .counter, "LLM calls that began and did not end within the lease."
        ) {
            $0.append(
                agents, created: { $0[$1].firstStart },
                value: { $0[$1].reportsActiveCalls ? $0[$1].expiredCalls : nil })
        }
    }
}

extension SampleWriter {
    @inline(__always)
    fileprivate mutating func family(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String, _ samples: (inout Self) -> Void
    ) {
        begin(MetricFamily.Head(name: name, kind: kind, help: help))
        samples(&self)
        end()
    }
}
