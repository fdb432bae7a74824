internal import Model

extension CallSeries: Row {
    static var table: String { "call_series" }
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
        let calls = try Tally(stored: reader.text())
        let tokens = try reader.natural()
        let input = try reader.optionalNatural()
        let cacheRead = try reader.optionalNatural()
        let cacheWrite = try reader.optionalNatural()
        let output = try reader.optionalNatural()
        let reasoning = try reader.optionalNatural()
        var kinds: TokenKinds?
        if let input, let cacheRead, let cacheWrite, let output, let reasoning {
            kinds = TokenKinds(
                input: input, cacheRead: cacheRead, cacheWrite: cacheWrite, output: output, reasoning: reasoning)
        }
        let cost = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        let usageMissing = try reader.natural()
        let errors = try Tally(stored: reader.text())
        let totals = CallTotals(
            calls: calls, tokens: tokens, kinds: kinds, cost: cost, usageMissing: usageMissing, errors: errors,
            lastInputTokens: try reader.optionalNatural(), lastOutputTokens: try reader.optionalNatural(),
            latency: try Histogram.read(from: &reader))
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

extension EndpointSeries: Row {
    static var table: String { "endpoint_series" }
    static var columns: [String] { ["agent_name", "provider"] + Histogram.columns(prefix: "api_latency") }

    var values: [Value] {
        [.text(labels.agentName.text), .text(labels.provider.text)] + Histogram.values(latency)
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let labels = EndpointLabels(
            agentName: LabelValue(try reader.text()), provider: LabelValue(try reader.text()))
        guard let latency = try Histogram.read(from: &reader) else { throw StoreError(.damaged, "no histogram") }
        self.init(number: number, labels: labels, latency: latency)
    }
}

extension OfferingSeries: Row {
    static var table: String { "offering_series" }
    static var columns: [String] { ["provider", "model", "unpriced_calls"] }

    var values: [Value] { [.text(labels.provider.text), .text(labels.model.text), .integer(unpricedCalls)] }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let labels = OfferingLabels(provider: LabelValue(try reader.text()), model: LabelValue(try reader.text()))
        self.init(number: number, labels: labels, unpricedCalls: try reader.natural())
    }
}

extension AgentSeries: Row {
    static var table: String { "agents" }
    static var columns: [String] { ["agent_name", "memory_rss_mb", "reports_active_calls", "expired_calls"] }

    /// Without what the other tables tell: its sets and its calls in flight.
    var values: [Value] {
        [
            .text(name.text), Value(memoryRSSMegabytes), .integer(reportsActiveCalls ? 1 : 0), .integer(expiredCalls),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        self.init(
            number: number, name: LabelValue(try reader.text()), memoryRSSMegabytes: try reader.optionalReal(),
            reportsActiveCalls: try reader.integer() != 0, expiredCalls: try reader.natural())
    }
}

extension OpenCall: Row {
    static var table: String { "open_calls" }
    static var columns: [String] { ["call_digest", "agent_name", "begun_ms"] }

    var values: [Value] { [.bytes(id.stored), .text(agentName.text), .integer(begun.unixMilliseconds)] }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        guard let id = Digest(stored: try reader.bytes()[...]) else { throw StoreError(.damaged, "not a digest") }
        self.init(
            number: number, id: id, agentName: LabelValue(try reader.text()),
            begun: Instant(unixMilliseconds: try reader.integer()))
    }
}

extension BudgetAccount: Row {
    static var table: String { "budgets" }
    static var columns: [String] {
        [
            "name", "agent_name", "provider", "model", "limit_usd", "limit_pico_usd", "period", "window_ms",
            "spent_usd",
            "spent_pico_usd", "unpriced_calls",
        ]
    }

    var values: [Value] {
        [
            .text(budget.name.text), Value(budget.agentName), Value(budget.provider), Value(budget.model),
            .integer(budget.limit.wholeUSD), .integer(budget.limit.remainingPicoUSD), .text(budget.period.rawValue),
            .integer(windowStart.unixMilliseconds), .integer(spent.wholeUSD), .integer(spent.remainingPicoUSD),
            .integer(unpricedCalls),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        let name = LabelValue(try reader.text())
        let agentName = try reader.optionalText().map(LabelValue.init)
        let provider = try reader.optionalText().map(LabelValue.init)
        let model = try reader.optionalText().map(LabelValue.init)
        let limit = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        let period = BudgetPeriod(rawValue: try reader.text())
        let windowStart = Instant(unixMilliseconds: try reader.integer())
        let spent = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        guard let limit, let period, let spent else { throw StoreError(.damaged, "not a budget") }
        self.init(
            number: number,
            budget: Budget(
                name: name, agentName: agentName, provider: provider, model: model, limit: limit, period: period),
            windowStart: windowStart, spent: spent, unpricedCalls: try reader.natural())
    }
}

extension Value {
    fileprivate init(_ label: LabelValue?) {
        self = label.map { .text($0.text) } ?? .null
    }
}

extension Tally {
    /// `success 3,error 1`. Neither statuses nor error types contain a space or a comma (docs/openapi.yaml).
    fileprivate var stored: String {
        entries.map { "\($0.name) \($0.count)" }.joined(separator: ",")
    }

    fileprivate init(stored text: String) throws(StoreError) {
        self.init()
        for entry in text.split(separator: ",") {
            let parts = entry.split(separator: " ", omittingEmptySubsequences: false)
            guard parts.count == 2, let count = Int64(parts[1]), count >= 0 else {
                throw StoreError(.damaged, "not a tally")
            }
            let name = LabelValue(String(parts[0]))
            guard !contains(name) else { throw StoreError(.damaged, "a name twice in a tally") }
            add(count, to: name)
        }
    }
}

extension Money {
    private static let picoUSDPerUSD: Int128 = 1_000_000_000_000

    fileprivate var wholeUSD: Int64 { Int64(picoUSD / Self.picoUSDPerUSD) }
    fileprivate var remainingPicoUSD: Int64 { Int64(picoUSD % Self.picoUSDPerUSD) }

    /// - Returns: `nil` where both are absent: no call had a price.
    fileprivate init?(storedUSD: Int64?, picoUSD: Int64?) throws(StoreError) {
        guard let storedUSD, let picoUSD else { return nil }
        guard let money = Money(picoUSD: Int128(storedUSD) * Self.picoUSDPerUSD + Int128(picoUSD)) else {
            throw StoreError(.damaged, "not an amount of money")
        }
        self = money
    }
}

extension Histogram {
    fileprivate static func columns(prefix: String) -> [String] {
        ["\(prefix)_buckets", "\(prefix)_count", "\(prefix)_sum_us", "\(prefix)_exemplars"]
    }

    /// All absent where there is no histogram.
    fileprivate static func values(_ histogram: Histogram?) -> [Value] {
        guard let histogram else { return [.null, .null, .null, .null] }
        let exemplars = histogram.exemplars.enumerated().compactMap { bucket, exemplar in
            exemplar.map { "\(bucket) \($0.trace.id) \($0.trace.unixMilliseconds) \($0.microseconds)" }
        }
        return [
            .text(histogram.counts.map(String.init).joined(separator: ",")), .integer(histogram.count),
            .integer(histogram.sumMicroseconds),
            exemplars.isEmpty ? .null : .text(exemplars.joined(separator: ",")),
        ]
    }

    fileprivate static func read(from reader: inout ValueReader) throws(StoreError) -> Histogram? {
        guard let buckets = try reader.optionalText() else { return nil }
        var counts: [Int64] = []
        for text in buckets.split(separator: ",") {
            guard let count = Int64(text), count >= 0 else { throw StoreError(.damaged, "not a histogram") }
            counts.append(count)
        }
        let count = try reader.natural()
        let sum = try reader.natural()
        var exemplars: [Exemplar?] = []
        if let text = try reader.optionalText() {
            exemplars = Array(repeating: nil, count: counts.count)
            for entry in text.split(separator: ",") {
                let parts = entry.split(separator: " ")
                guard parts.count == 4, let bucket = Int(parts[0]), counts.indices.contains(bucket),
                    let time = Int64(parts[2]), let microseconds = Int64(parts[3])
                else { throw StoreError(.damaged, "not an exemplar") }
                exemplars[bucket] = Exemplar(
                    trace: Trace(id: String(parts[1]), unixMilliseconds: time), microseconds: microseconds)
            }
        }
        let histogram = Histogram(counts: counts, sumMicroseconds: sum, exemplars: exemplars)
        guard histogram.count == count else {
            throw StoreError(.damaged, "the count of a histogram is not the sum of its buckets")
        }
        return histogram
    }
}

extension Digest {
    /// 16 bytes, the most significant first.
    var stored: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: bits >> UInt128(120 - 8 * $0)) }
    }

    init?(stored bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }
}
