@testable import Client

/// Calls and answers that the tests vary.
enum Example {
    static let calls = Assignment.day.enumerated().map { place, assignment in
        MeasuredCall(
            id: "ReviewerGPT-1-\(place + 1)", usage: assignment.usage, latencyMicroseconds: 151_234,
            apiLatencyMicroseconds: 149_001, memory: MemoryReading(residentMB: 256.5, availableMB: 8000.25))
    }

    static let day = Tally(calls: 4, errors: 0, tokens: 536, costUSD: CallCost(of: usage).usd)
    static let usage = Usage(inputTokens: 100, outputTokens: 436)

    static func summary(of agents: [String: Tally], model: Tally? = nil) -> Summary {
        var summary = Summary()
        summary.agents = agents
        for tally in agents.values { summary.total = summary.total + tally }
        summary.successCalls = summary.total.successes
        summary.models["openai/gpt-4o-mini"] = model ?? agents["ReviewerGPT"]
        return summary
    }

    /// The exposition of an exporter that saw the example's day and nothing else.
    static let exposition = """
        # HELP llm_calls_total Calls.
        # TYPE llm_calls_total counter
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="success"} 4
        llm_calls_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",status="error"} 0
        llm_calls_total{agent_name="Other",provider="openai",model="gpt-4o-mini",status="success"} 77
        llm_tokens_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 536
        llm_cost_usd_total{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.0002766
        llm_memory_rss_mb{agent_name="ReviewerGPT"} 256.5
        llm_memory_available_mb 8000.25
        llm_active_calls{agent_name="ReviewerGPT"} 0
        llm_latency_seconds_bucket{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini",le="+Inf"} 4
        llm_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 0.604936
        llm_latency_seconds_count{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 4
        llm_api_latency_seconds_sum{agent_name="ReviewerGPT",provider="openai"} 0.596004
        llm_api_latency_seconds_count{agent_name="ReviewerGPT",provider="openai"} 4
        llm_input_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 29
        llm_output_tokens_last_call{agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"} 128

        """

    /// A report on an exporter that was empty before, its exposition with one text in place of another.
    static func report(
        summary: Summary = summary(of: ["ReviewerGPT": day]), before: Summary = Summary(),
        replacing old: String = "", with new: String = ""
    ) throws -> DayReport {
        let text =
            old.isEmpty
            ? exposition : exposition.split(separator: old, omittingEmptySubsequences: false).joined(separator: new)
        let after = try Exposition(text: Array(text.utf8), agent: "ReviewerGPT")
        return DayReport(
            url: "http://127.0.0.1:1", calls: calls, before: ReadBack(summary: before),
            after: ReadBack(summary: summary, exposition: after))
    }
}

extension Tally {
    static func + (left: Tally, right: Tally) -> Tally {
        left - (Tally() - right)
    }
}
