/// Tokens by kind; the kinds do not overlap and sum to input + output.
package struct TokenKinds: Equatable, Sendable {
    /// Input that was neither read from nor written to a cache.
    package var input: Int64 = 0
    package var cacheRead: Int64 = 0
    package var cacheWrite: Int64 = 0
    /// Output without reasoning.
    package var output: Int64 = 0
    package var reasoning: Int64 = 0

    package init(input: Int64 = 0, cacheRead: Int64 = 0, cacheWrite: Int64 = 0, output: Int64 = 0, reasoning: Int64 = 0)
    {
        self.input = input
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
        self.output = output
        self.reasoning = reasoning
    }

    /// For sums that `check` has found within bounds.
    static func += (left: inout TokenKinds, right: TokenKinds) {
        left.input += right.input
        left.cacheRead += right.cacheRead
        left.cacheWrite += right.cacheWrite
        left.output += right.output
        left.reasoning += right.reasoning
    }

    /// The sum, or `nil` where a kind would pass `Int64.max`.
    func adding(_ other: TokenKinds) -> TokenKinds? {
        guard let input = input.adding(other.input), let cacheRead = cacheRead.adding(other.cacheRead),
            let cacheWrite = cacheWrite.adding(other.cacheWrite), let output = output.adding(other.output),
            let reasoning = reasoning.adding(other.reasoning)
        else { return nil }
        return TokenKinds(
            input: input, cacheRead: cacheRead, cacheWrite: cacheWrite, output: output, reasoning: reasoning)
    }
}

/// What calls add up to under one set of (agent_name, provider, model): the state of a series, and equally what a batch
/// changes of it.
///
/// Adding is commutative and associative, but for the last-call gauges and exemplars, where the newer wins: batches may
/// be merged in any order, on any machine.
package struct CallTotals: Equatable, Sendable {
    package private(set) var calls = Tally()
    package private(set) var tokens: Int64 = 0
    /// `nil` until a record told input or output.
    package private(set) var kinds: TokenKinds?
    /// `nil` until a call had a price: calls without one must not show as 0 USD.
    package private(set) var cost: Money?
    /// Successful calls of which the sender told no tokens.
    package private(set) var usageMissing: Int64 = 0
    package private(set) var errors = Tally()
    package private(set) var lastInputTokens: Int64?
    package private(set) var lastOutputTokens: Int64?
    /// `nil` until a record told its latency.
    package var latency: Histogram?

    package init() {}

    /// Totals as they were stored.
    package init(
        calls: Tally, tokens: Int64, kinds: TokenKinds?, cost: Money?, usageMissing: Int64, errors: Tally,
        lastInputTokens: Int64?, lastOutputTokens: Int64?, latency: Histogram?
    ) {
        self.calls = calls
        self.tokens = tokens
        self.kinds = kinds
        self.cost = cost
        self.usageMissing = usageMissing
        self.errors = errors
        self.lastInputTokens = lastInputTokens
        self.lastOutputTokens = lastOutputTokens
        self.latency = latency
    }

    /// Calls that count as errors.
    package var failedCalls: Int64 { calls.total - calls[CallRecord.success] }

    /// Sees whether one more record keeps every total of `base` and `touched`, which will be merged into it, in bounds.
    ///
    /// - Throws: `total_overflow` naming the family and the field.
    static func check(_ record: CallRecord, touched: BoundedTotals?, base: BoundedTotals?) throws(RecordRejection) {
        guard let tokens = record.usage.billedTokens.adding(touched?.tokens ?? 0),
            tokens.adding(base?.tokens ?? 0) != nil
        else { throw .overflow(of: "llm_tokens_total", field: "total_tokens") }
        if let added = record.usage.kinds {
            guard let kinds = added.adding(touched?.kinds ?? TokenKinds()),
                kinds.adding(base?.kinds ?? TokenKinds()) != nil
            else { throw .overflow(of: "llm_token_usage_total", field: "input_tokens") }
        }
        if let added = record.cost {
            guard let cost = added.adding(touched?.cost ?? .zero), cost.adding(base?.cost ?? .zero) != nil
            else { throw .overflow(of: "llm_cost_usd_total", field: "cost_usd") }
        }
        if let added = record.latencyMicroseconds {
            try Histogram.checkSum(
                of: touched?.latencySumMicroseconds, and: base?.latencySumMicroseconds, adding: added,
                family: "llm_latency_seconds", field: "latency_ms")
        }
    }

    /// The sums that have bounds, without what the whole takes to copy.
    var bounded: BoundedTotals {
        BoundedTotals(
            tokens: tokens, kinds: kinds, cost: cost, latencySumMicroseconds: latency?.sumMicroseconds ?? 0)
    }

    /// Adds one record that `check` has let pass.
    ///
    /// - Parameter status: the record's, or `_other`; likewise `errorType`.
    mutating func fold(_ record: CallRecord, status: LabelValue, errorType: LabelValue?, bounds: HistogramBounds) {
        let usage = record.usage
        calls.add(1, to: status)
        tokens += usage.billedTokens
        if let added = usage.kinds { kinds = kinds ?? TokenKinds(); kinds? += added }
        if let added = record.cost { cost = (cost ?? .zero) + added }
        if record.isSuccess, usage.isMissing { usageMissing += 1 }
        if let errorType { errors.add(1, to: errorType) }
        lastInputTokens = usage.input ?? lastInputTokens
        lastOutputTokens = usage.output ?? lastOutputTokens
        if let added = record.latencyMicroseconds {
            latency.observe(added, bounds: bounds, trace: record.trace)
        }
    }

    /// Adds what a batch changed. Cannot fail: `check` has let each record pass.
    mutating func merge(_ newer: CallTotals) {
        calls.merge(newer.calls)
        tokens += newer.tokens
        if let added = newer.kinds { kinds = kinds ?? TokenKinds(); kinds? += added }
        if let added = newer.cost { cost = (cost ?? .zero) + added }
        usageMissing += newer.usageMissing
        errors.merge(newer.errors)
        lastInputTokens = newer.lastInputTokens ?? lastInputTokens
        lastOutputTokens = newer.lastOutputTokens ?? lastOutputTokens
        latency.merge(newer.latency)
    }
}

/// The sums of a series that must not pass their bounds.
struct BoundedTotals {
    let tokens: Int64
    let kinds: TokenKinds?
    let cost: Money?
    let latencySumMicroseconds: Int64
}

extension Optional<Histogram> {
    mutating func observe(_ microseconds: Int64, bounds: HistogramBounds, trace: Trace?) {
        var histogram = take() ?? Histogram(bounds: bounds)
        histogram.observe(microseconds, bounds: bounds, trace: trace)
        self = histogram
    }

    mutating func merge(_ newer: Histogram?) {
        guard let newer else { return }
        // Taken out while it changes, so that its buckets are not copied.
        guard var histogram = take() else {
            self = newer
            return
        }
        histogram.merge(newer)
        self = histogram
    }
}

extension Histogram {
    /// - Throws: `total_overflow` where the sum of both sums and `microseconds` would pass `Int64.max`.
    static func checkSum(
        of sum: Int64?, and base: Int64?, adding microseconds: Int64, family: String, field: String
    ) throws(RecordRejection) {
        guard let sum = microseconds.adding(sum ?? 0), sum.adding(base ?? 0) != nil
        else { throw .overflow(of: family, field: field) }
    }
}

extension Int64 {
    /// The sum, or `nil` past `Int64.max`.
    func adding(_ other: Int64) -> Int64? {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? nil : sum
    }
}

extension RecordRejection {
    static func overflow(of family: String, field: String) -> RecordRejection {
        RecordRejection(
            field: field, code: .totalOverflow,
            message: "\(family) of this set would pass its largest value; reset or forget the set to start it anew")
    }
}
