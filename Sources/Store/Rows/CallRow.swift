internal import Model

extension CallSeries: Row {
    static var table: String { "call_series" }

    static var schema: [Int64: String] { [1: creation] }

    private static var creation: String {
        """
        CREATE TABLE call_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, provider TEXT NOT NULL,
            model TEXT NOT NULL, calls TEXT NOT NULL, tokens INTEGER NOT NULL, input_tokens INTEGER,
            cache_read_tokens INTEGER, cache_write_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
            cost_usd INTEGER, cost_pico_usd INTEGER, usage_missing INTEGER NOT NULL, errors TEXT NOT NULL,
            last_input_tokens INTEGER, last_output_tokens INTEGER, latency_buckets TEXT, latency_count INTEGER,
            latency_sum_us INTEGER, latency_exemplars TEXT
        ) STRICT
        """
    }

    static var columns: [String] {
        [
            "agent_name", "provider", "model", "calls", "tokens", "input_tokens", "cache_read_tokens",
            "cache_write_tokens", "output_tokens", "reasoning_tokens", "cost_usd", "cost_pico_usd", "usage_missing",
            "errors", "last_input_tokens", "last_output_tokens",
        ] + Histogram.columns(prefix: "latency")
    }

    var values: [Value] {
        [
            .text(labels.agentName.text), .text(labels.provider.text), .text(labels.model.text),
            .text(totals.calls.stored), .integer(totals.tokens), Value(totals.kinds?.input),
            Value(totals.kinds?.cacheRead), Value(totals.kinds?.cacheWrite), Value(totals.kinds?.output),
            Value(totals.kinds?.reasoning), Value(totals.cost?.wholeUSD), Value(totals.cost?.remainingPicoUSD),
            .integer(totals.usageMissing), .text(totals.errors.stored), Value(totals.lastInputTokens),
            Value(totals.lastOutputTokens),
        ] + Histogram.values(totals.latency)
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let labels = SeriesLabels(
            agentName: LabelValue(try reader.text()), provider: LabelValue(try reader.text()),
            model: LabelValue(try reader.text()))
        var totals = CallTotals()
        totals.calls = try Tally(stored: reader.text())
        totals.tokens = try reader.natural()
        totals.kinds = try TokenKinds(from: &reader)
        totals.cost = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        totals.usageMissing = try reader.natural()
        totals.errors = try Tally(stored: reader.text())
        totals.lastInputTokens = try reader.optionalNatural()
        totals.lastOutputTokens = try reader.optionalNatural()
        totals.latency = try Histogram.read(from: &reader)
        guard totals.errors.total == totals.failedCalls else {
            throw StoreError(.damaged, "failed calls and errors differ")
        }
        guard totals.usageMissing <= totals.calls[CallRecord.success] else {
            throw StoreError(.damaged, "more calls without usage than calls")
        }
        guard (totals.latency?.count ?? 0) <= totals.calls.total else {
            throw StoreError(.damaged, "more latencies than calls")
        }
        self.init(number: number, labels: labels, totals: totals)
    }
}

extension TokenKinds {
    /// - Returns: `nil` if no call had any.
    fileprivate init?(from reader: inout ValueReader) throws(StoreError) {
        let input = try reader.optionalNatural()
        let cacheRead = try reader.optionalNatural()
        let cacheWrite = try reader.optionalNatural()
        let output = try reader.optionalNatural()
        let reasoning = try reader.optionalNatural()
        guard let input, let cacheRead, let cacheWrite, let output, let reasoning else { return nil }
        self.init(input: input, cacheRead: cacheRead, cacheWrite: cacheWrite, output: output, reasoning: reasoning)
    }
}
