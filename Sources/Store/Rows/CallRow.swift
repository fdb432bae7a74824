internal import Model

extension CallSeries: Row {
    static var table: String { "call_series" }

    static var schema: [Int64: String] {
        [1: creation, 4: addition(of: columnsOfBill), 5: addition(of: columnsOfTime)]
    }

    private static func addition(of columns: KeyValuePairs<String, String>) -> String {
        columns.map { "ALTER TABLE call_series ADD COLUMN \($0.key) \($0.value)" }.joined(separator: ";")
    }

    /// The whole bill. A value of 0 is stored as NULL, which takes no room.
    private static let columnsOfBill: KeyValuePairs = [
        "rare_tokens": "TEXT", "plan_equivalent_usd": "INTEGER", "plan_equivalent_pico_usd": "INTEGER",
        "unpriced_calls": "INTEGER", "web_searches": "INTEGER",
    ]

    /// Native histograms, the time to the first token, and when series began.
    private static let columnsOfTime: KeyValuePairs = [
        "latency_native": "BLOB", "ttft_buckets": "TEXT", "ttft_count": "INTEGER", "ttft_sum_us": "INTEGER",
        "ttft_exemplars": "TEXT", "ttft_native": "BLOB", "created_ms": "INTEGER", "created_later": "TEXT",
        "last_seen_ms": "INTEGER",
    ]

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
        ] + Histogram.columns(prefix: "latency") + columnsOfBill.map(\.key) + columnsOfTime.map(\.key)
    }

    var values: [Value] {
        var values: [Value] = []
        // One array: a commit makes one for each row.
        values.reserveCapacity(34)
        values += [
            .text(labels.agentName.text), .text(labels.provider.text), .text(labels.model.text),
            .text(totals.calls.stored), .integer(totals.tokens), Value(totals.kinds?[.input]),
            Value(totals.kinds?[.cacheRead]), Value(totals.kinds?[.cacheWrite]), Value(totals.kinds?[.output]),
            Value(totals.kinds?[.reasoning]), Value(totals.cost?.wholeUSD), Value(totals.cost?.remainingPicoUSD),
            .integer(totals.usageMissing), .text(totals.errors.stored), Value(totals.lastInputTokens),
            Value(totals.lastOutputTokens),
        ]
        Histogram.append(totals.latency, to: &values)
        values += [
            totals.kinds?.rareStored.map(Value.text) ?? .null, Value(totals.planEquivalent?.wholeUSD),
            Value(totals.planEquivalent?.remainingPicoUSD), Value(totals.unpricedCalls.unlessZero),
            Value(totals.webSearches.unlessZero), Histogram.nativeValue(totals.latency),
        ]
        Histogram.append(totals.timeToFirstToken, to: &values)
        values += [
            Histogram.nativeValue(totals.timeToFirstToken), Value(totals.created.set?.unixMilliseconds),
            Value(totals.created.storedLater), Value(totals.lastSeen?.unixMilliseconds),
        ]
        return values
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
        if let rare = try reader.optionalText() {
            guard totals.kinds != nil else { throw StoreError(.damaged, "kinds of tokens beside none") }
            try totals.kinds?.addRare(stored: rare)
        }
        totals.planEquivalent = try Money(storedUSD: reader.optionalNatural(), picoUSD: reader.optionalNatural())
        totals.unpricedCalls = try reader.optionalNatural() ?? 0
        totals.webSearches = try reader.optionalNatural() ?? 0
        try totals.latency.readNative(from: &reader)
        totals.timeToFirstToken = try Histogram.read(from: &reader)
        try totals.timeToFirstToken.readNative(from: &reader)
        totals.created = CreatedTimes(
            set: try reader.optionalInstant(), later: try CreatedTimes.later(stored: reader.optionalText()))
        totals.lastSeen = try reader.optionalInstant()
        guard totals.errors.total == totals.failedCalls else {
            throw StoreError(.damaged, "failed calls and errors differ")
        }
        let billed = totals.calls.entries.reduce(0) { $0 + (CallRecord.mayBeBilled($1.name) ? $1.count : 0) }
        guard totals.usageMissing <= billed else {
            throw StoreError(.damaged, "more calls without usage than calls")
        }
        guard totals.unpricedCalls <= totals.calls.total else {
            throw StoreError(.damaged, "more unpriced calls than calls")
        }
        guard (totals.latency?.count ?? 0) <= totals.calls.total,
            (totals.timeToFirstToken?.count ?? 0) <= totals.calls.total
        else { throw StoreError(.damaged, "more latencies than calls") }
        self.init(number: number, labels: labels, totals: totals)
    }
}

extension Int64 {
    fileprivate var unlessZero: Int64? { self == 0 ? nil : self }
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

extension Optional<Histogram> {
    fileprivate mutating func readNative(from reader: inout ValueReader) throws(StoreError) {
        guard var histogram = self else {
            reader.skip(1)
            return
        }
        try histogram.readNative(from: &reader)
        self = histogram
    }
}

// Kinds that few calls have share one column.
extension TokenKinds {
    /// `cache_write_1h 15,input_audio 30`; `nil` if there are none.
    fileprivate var rareStored: String? {
        guard hasRare else { return nil }
        let rare = TokenKind.rare.filter { self[$0] > 0 }
        return rare.isEmpty ? nil : rare.map { "\($0.name) \(self[$0])" }.joined(separator: ",")
    }

    fileprivate mutating func addRare(stored text: String) throws(StoreError) {
        for entry in try Tally(stored: text).entries {
            guard let kind = TokenKind.rare.first(where: { $0.name == entry.name.text }) else {
                throw StoreError(.damaged, "not a kind of tokens")
            }
            self[kind] = entry.count
        }
    }
}
