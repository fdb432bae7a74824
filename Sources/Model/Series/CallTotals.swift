/// The totals of the calls of one set of (agent_name, provider, model).
///
/// Adding is commutative and associative, except for the last-call gauges and exemplars, where the newer record wins:
/// records may be added in any order, on any machine. A new family of calls is a property here, and a line in `add`.
package struct CallTotals: Equatable, Sendable {
    package var calls = Tally()
    package var tokens: Int64 = 0
    /// `nil` until a record reports input or output.
    package var kinds: TokenKinds?
    /// `nil` until a call has a price: calls without one must not show as 0 USD.
    package var cost: Money?
    /// The cost of calls that a subscription pays for, had they been metered; `nil` until one has a price.
    package var planEquivalent: Money?
    /// Calls whose cost is unknown and that no subscription pays for.
    package var unpricedCalls: Int64 = 0
    /// Searches of the web that the provider bills for.
    package var webSearches: Int64 = 0
    /// Calls that report no tokens and may have been billed.
    package var usageMissing: Int64 = 0
    package var errors = Tally()
    package var lastInputTokens: Int64?
    package var lastOutputTokens: Int64?
    /// `nil` until a record reports its latency.
    package var latency: Histogram?
    /// `nil` until a record reports its time to the first token.
    package var timeToFirstToken: Histogram?
    package var created: CreatedTimes
    /// The arrival of the newest call; `nil` if an earlier version stored it.
    package var lastSeen: Instant?

    /// - Parameter created: the arrival of the first record.
    package init(created: Instant? = nil) {
        self.created = CreatedTimes(set: created)
    }

    /// Calls that count as errors.
    package var failedCalls: Int64 { calls.total - calls[CallRecord.success] }

    /// The sums that have a bound, with one more record; each is made and checked here, once.
    struct BoundedSums {
        fileprivate let tokens: Int64
        fileprivate let kinds: TokenKinds?
        fileprivate let cost: Money?
        fileprivate let planEquivalent: Money?
        fileprivate let webSearches: Int64
        fileprivate let latencyMicroseconds: Int64?
        fileprivate let timeToFirstTokenMicroseconds: Int64?
    }

    /// - Throws: `total_overflow` naming the family and the field.
    func sums(with record: CallRecord) throws(RecordRejection) -> BoundedSums {
        let usage = record.usage
        guard let tokens = tokens.adding(usage.billedTokens) else {
            throw .overflow(of: "llm_tokens_total", field: "total_tokens")
        }
        guard let webSearches = webSearches.adding(record.details?.webSearches ?? 0) else {
            throw .overflow(of: "llm_tool_requests_total", field: "web_search_requests")
        }
        return BoundedSums(
            tokens: tokens,
            kinds: try kinds.adding(usage.kinds, of: "llm_token_usage_total", field: "input_tokens"),
            cost: try cost.adding(record.isPlan ? nil : record.cost, of: "llm_cost_usd_total", field: "cost_usd"),
            planEquivalent: try planEquivalent.adding(
                record.isPlan ? record.cost : nil, of: "llm_plan_equivalent_usd_total", field: "cost_usd"),
            webSearches: webSearches,
            latencyMicroseconds: try (latency?.sumMicroseconds).adding(
                record.latencyMicroseconds, of: "llm_latency_seconds", field: "latency_ms"),
            timeToFirstTokenMicroseconds: try (timeToFirstToken?.sumMicroseconds).adding(
                record.timeToFirstTokenMicroseconds, of: "llm_time_to_first_token_seconds", field: "ttft_ms"))
    }

    /// Adds one record. Cannot fail.
    ///
    /// - Parameters:
    ///   - sums: from `sums(with:)`.
    ///   - arrival: of the record.
    mutating func add(_ record: CallRecord, sums: BoundedSums, bounds: HistogramBounds, arrival: Instant) {
        addAmounts(of: record, sums: sums, arrival: arrival)
        lastSeen = arrival
        if record.isSuccess {
            calls.add(1, to: record.status)
        } else {
            let status = calls.admitted(
                record.status, limit: NameLimits.statuses, reserved: NameLimits.reservedStatuses)
            if calls.add(1, to: status), status != Self.error { created.begin(.status(status), at: arrival) }
        }
        if record.lacksBilledUsage { usageMissing += 1 }
        if record.isUnpriced { unpricedCalls += 1 }
        if let errorType = record.errorType {
            let admitted = errors.admitted(errorType, limit: NameLimits.errorTypes)
            if errors.add(1, to: admitted) { created.begin(.errorType(admitted), at: arrival) }
        }
        if let latency = record.latencyMicroseconds, let sum = sums.latencyMicroseconds {
            if self.latency == nil { created.begin(.latency, at: arrival) }
            self.latency.observe(latency, sum: sum, bounds: bounds, trace: record.trace)
        }
        if let time = record.timeToFirstTokenMicroseconds, let sum = sums.timeToFirstTokenMicroseconds {
            if timeToFirstToken == nil { created.begin(.timeToFirstToken, at: arrival) }
            timeToFirstToken.observe(time, sum: sum, bounds: bounds, trace: record.trace)
        }
    }

    /// Shown at 0 from the first scrape of a set on, as `success` is.
    private static let error = LabelValue("error")
}

extension CallTotals {
    /// Adds the tokens and the cost of a record whose call is counted. Cannot fail.
    ///
    /// - Parameters:
    ///   - sums: from `sums(with:)`.
    ///   - arrival: of the record.
    mutating func addAmounts(of record: CallRecord, sums: BoundedSums, arrival: Instant) {
        noteBeginnings(sums, arrival)
        tokens = sums.tokens
        kinds = sums.kinds
        cost = sums.cost
        planEquivalent = sums.planEquivalent
        webSearches = sums.webSearches
        lastInputTokens = record.usage.input ?? lastInputTokens
        lastOutputTokens = record.usage.output ?? lastOutputTokens
    }

    /// Records the beginnings of the series that the sums of a record create.
    private mutating func noteBeginnings(_ sums: BoundedSums, _ arrival: Instant) {
        if cost == nil, sums.cost != nil { created.begin(.cost, at: arrival) }
        if planEquivalent == nil, sums.planEquivalent != nil { created.begin(.planEquivalent, at: arrival) }
        if webSearches == 0, sums.webSearches > 0 { created.begin(.webSearches, at: arrival) }
        guard let new = sums.kinds else { return }
        if kinds == nil { created.begin(.kinds, at: arrival) }
        guard new.hasRare else { return }
        for kind in TokenKind.rare where new[kind] > 0 && (kinds?[kind] ?? 0) == 0 {
            created.begin(.kind(kind), at: arrival)
        }
    }
}

extension Optional<Histogram> {
    fileprivate mutating func observe(_ microseconds: Int64, sum: Int64, bounds: HistogramBounds, trace: Trace?) {
        // Taken out while it changes, so that its buckets are not copied.
        var histogram = take() ?? Histogram(bounds: bounds)
        histogram.observe(microseconds, sum: sum, bounds: bounds, trace: trace)
        self = histogram
    }
}
