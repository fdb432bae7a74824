internal import FoundationEssentials

/// The end of the day: what was sent, what the exporter holds, and where the two differ.
///
/// An exporter may have held totals before, and other agents may send at the same time; so growth is compared.
/// The reviewer's own figures must have grown by exactly what was sent. The figures of all agents together, and of the
/// model, may have grown by more, but not by more than the other agents' growth explains.
package struct DayReport: Equatable, Sendable, CustomStringConvertible {
    /// The exporter's address, fit for a log.
    package let url: String
    let calls: [MeasuredCall]
    let before: ReadBack
    let after: ReadBack

    /// Every figure that differs; empty when what was read back is what was sent.
    package let differences: [Difference]

    init(url: String, calls: [MeasuredCall], before: ReadBack, after: ReadBack) {
        self.url = url
        self.calls = calls
        self.before = before
        self.after = after
        let sent = Self.tally(of: calls)
        differences =
            Self.summaryDifferences(sent, before.summary, after.summary)
            + Self.expositionDifferences(sent, calls, before.exposition, after.exposition)
    }

    // MARK: Comparison

    private static let modelKey = ReviewerDay.provider + "/" + ReviewerDay.model

    private static func tally(of calls: [MeasuredCall]) -> Tally {
        let usage = calls.map(\.usage).reduce(Usage(inputTokens: 0, outputTokens: 0), +)
        return Tally(
            calls: Decimal(calls.count), errors: 0, tokens: Decimal(usage.totalTokens),
            costUSD: CallCost(of: usage).usd)
    }

    private static func summaryDifferences(_ sent: Tally, _ before: Summary, _ after: Summary) -> [Difference] {
        let total = after.total - before.total
        let agent = (after.agents[ReviewerDay.agent] ?? Tally()) - (before.agents[ReviewerDay.agent] ?? Tally())
        let model = (after.models[modelKey] ?? Tally()) - (before.models[modelKey] ?? Tally())
        let others = total - agent

        var differences = exact("GET /summary, growth of agent \(ReviewerDay.agent)", sent, agent)
        differences += bounded("GET /summary, growth of all agents", sent, total, others)
        differences += bounded("GET /summary, growth of model \(modelKey)", sent, model, others)
        if after.successCalls != after.total.successes {
            differences.append(
                Difference(
                    place: "GET /summary, success_calls of total_calls less error_calls",
                    sent: "\(after.total.successes)", readBack: "\(after.successCalls)"))
        }
        return differences
    }

    /// The figures that did not grow by exactly what was sent.
    private static func exact(_ place: String, _ sent: Tally, _ grown: Tally) -> [Difference] {
        bounded(place, sent, grown, Tally())
    }

    /// The figures that grew by less than was sent, or by more than others can have added.
    private static func bounded(_ place: String, _ sent: Tally, _ grown: Tally, _ others: Tally) -> [Difference] {
        zip(zip(sent.figures, grown.figures), others.figures).compactMap { pair, other in
            let (sent, grown) = pair
            let surplus = grown.value - sent.value
            guard !(surplus >= 0 && surplus <= max(other.value, 0)) else { return nil }
            return Difference(
                place: "\(place): \(sent.name)", sent: "\(sent.value)", readBack: "\(grown.value)")
        }
    }

    private static func expositionDifferences(
        _ sent: Tally, _ calls: [MeasuredCall], _ before: Exposition, _ after: Exposition
    ) -> [Difference] {
        let model = ["provider": ReviewerDay.provider, "model": ReviewerDay.model]
        let provider = ["provider": ReviewerDay.provider]
        let success = model.merging(["status": "success"]) { $1 }
        let latency = calls.reduce(0) { $0 + $1.latencyMicroseconds }
        let apiLatency = calls.reduce(0) { $0 + $1.apiLatencyMicroseconds }

        let counters: [(name: String, labels: [String: String], sent: Decimal)] = [
            ("llm_calls_total", model, sent.calls),
            ("llm_calls_total", success, sent.successes),
            ("llm_tokens_total", model, sent.tokens),
            ("llm_cost_usd_total", model, sent.costUSD),
            ("llm_latency_seconds_count", model, sent.calls),
            ("llm_latency_seconds_sum", model, Decimal(latency) / 1_000_000),
            ("llm_api_latency_seconds_count", provider, sent.calls),
            ("llm_api_latency_seconds_sum", provider, Decimal(apiLatency) / 1_000_000),
        ]
        var differences = counters.compactMap { counter -> Difference? in
            let grown = after.sum(counter.name, counter.labels) - before.sum(counter.name, counter.labels)
            guard grown != counter.sent else { return nil }
            let status = counter.labels["status"].map { " with status \($0)" } ?? ""
            return Difference(
                place: "GET /metrics, growth of \(counter.name)\(status)", sent: "\(counter.sent)",
                readBack: "\(grown)")
        }
        if let last = calls.last {
            let gauges: [(name: String, labels: [String: String], sent: Decimal)] = [
                ("llm_input_tokens_last_call", model, Decimal(last.usage.inputTokens)),
                ("llm_output_tokens_last_call", model, Decimal(last.usage.outputTokens)),
                ("llm_memory_rss_mb", [:], decimal(last.memory.residentMB)),
            ]
            differences += gauges.compactMap { gauge -> Difference? in
                let value = after.sum(gauge.name, gauge.labels)
                guard value != gauge.sent else { return nil }
                return Difference(place: "GET /metrics, \(gauge.name)", sent: "\(gauge.sent)", readBack: "\(value)")
            }
        }
        // Starts that a run before this one left open may expire meanwhile: fewer is right, more is not.
        let active = after.sum("llm_active_calls")
        if !(active <= before.sum("llm_active_calls")) {
            differences.append(
                Difference(
                    place: "GET /metrics, llm_active_calls after the last call",
                    sent: "\(before.sum("llm_active_calls"))", readBack: "\(active)"))
        }
        return differences
    }

    /// The decimal that the shortest text of a double names, as the exporter prints a gauge.
    private static func decimal(_ value: Double) -> Decimal { Decimal(string: value.description) ?? .nan }

    // MARK: Table

    /// Most agents that the table lists; an exporter may know thousands.
    private static let listedAgents = 20

    package var description: String {
        let sent = Self.tally(of: calls)
        var rows = [Self.heading]
        rows.append(Self.row("sent by this day", sent))
        rows.append(Self.row("read back: all agents", after.summary.total))
        let names = after.summary.agents.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        for name in names.prefix(Self.listedAgents) {
            rows.append(Self.row("  agent \(name)", after.summary.agents[name] ?? Tally()))
        }
        if names.count > Self.listedAgents {
            rows.append(["  and \(names.count - Self.listedAgents) agents more"])
        }
        if let model = after.summary.models[Self.modelKey] { rows.append(Self.row("  model \(Self.modelKey)", model)) }
        let grown = after.summary.total - before.summary.total
        if grown != after.summary.total { rows.append(Self.row("  growth since the day began", grown)) }

        var lines = ["Summary of the reviewer's day, read back from \(url)", ""]
        lines += Self.aligned(rows)
        lines += ["", "Size of the exposition: \(after.exposition.sizeBytes) bytes"]
        if differences.isEmpty {
            lines.append("What was read back is what was sent.")
        } else {
            lines.append("What was read back differs from what was sent:")
            lines += differences.map { "  \($0)" }
        }
        return lines.joined(separator: "\n")
    }

    private static let heading = ["", "calls", "success", "errors", "tokens", "cost in USD"]

    private static func row(_ name: String, _ tally: Tally) -> [String] {
        [name, "\(tally.calls)", "\(tally.successes)", "\(tally.errors)", "\(tally.tokens)", dollars(tally.costUSD)]
    }

    /// An exact amount with at least eight places: `0.00027660`.
    static func dollars(_ amount: Decimal) -> String {
        let text = "\(amount)"
        guard !amount.isNaN else { return text }
        let point = text.firstIndex(of: ".")
        let places = point.map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
        return text + (point == nil ? "." : "") + String(repeating: "0", count: max(0, 8 - places))
    }

    /// The first column to the left, the others to the right, each as wide as its widest cell.
    private static func aligned(_ rows: [[String]]) -> [String] {
        let widths = heading.indices.map { column in
            rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column > 0 ? padding + cell : row.count > 1 ? cell + padding : cell
            }.joined(separator: "  ")
        }
    }
}
