/// One LLM call as posted. A value that exists obeys docs/openapi.yaml; only `Formats` makes them from bytes.
package struct CallRecord: Sendable {
    package let labels: SeriesLabels
    /// `success` or the name of another outcome, which counts as an error.
    package var status: LabelValue
    /// Absent on success; `unknown` if an error names none.
    package var errorType: LabelValue?
    package var usage: Usage
    /// As reported, or computed; `nil` is unknown, never 0.
    package var cost: Money?
    private var isComputed = false
    private var lacksUsage = false
    /// Whether a subscription pays for the call: its cost is what it would have cost.
    package var isPlan = false
    /// Facts beside the tokens that the price depends on; `nil` for most calls.
    package var details: CallDetails?
    /// When the call was made, as far as its price depends on it; `nil` is a time without off-peak prices.
    package var time: Instant?
    package var latencyMicroseconds: Int64?
    package var apiLatencyMicroseconds: Int64?
    /// From the request to the first token of the answer, of streams.
    package var timeToFirstTokenMicroseconds: Int64?
    package var memoryRSSMegabytes: Double?
    package var memoryAvailableMegabytes: Double?
    package var id: RecordID?
    package var trace: Trace?
    /// How another report of this call is recognised; `nil` if only this sender reports it.
    package var report: CallReport?

    package static let success = LabelValue("success")

    package init(
        labels: SeriesLabels, status: LabelValue = CallRecord.success, errorType: LabelValue? = nil,
        usage: Usage = Usage(), cost: Money? = nil, latencyMicroseconds: Int64? = nil,
        apiLatencyMicroseconds: Int64? = nil, memoryRSSMegabytes: Double? = nil,
        memoryAvailableMegabytes: Double? = nil, id: RecordID? = nil, trace: Trace? = nil
    ) {
        self.labels = labels
        self.status = status
        self.errorType = errorType
        self.usage = usage
        self.cost = cost
        self.latencyMicroseconds = latencyMicroseconds
        self.apiLatencyMicroseconds = apiLatencyMicroseconds
        self.memoryRSSMegabytes = memoryRSSMegabytes
        self.memoryAvailableMegabytes = memoryAvailableMegabytes
        self.id = id
        self.trace = trace
    }

    package var isSuccess: Bool { status == Self.success }

    private static let statusesOfBilledCalls = ["success", "timeout", "cancelled"].map(LabelValue.init)

    /// Whether the provider may have billed the call although it reports no tokens.
    package static func mayBeBilled(_ status: LabelValue) -> Bool { statusesOfBilledCalls.contains(status) }

    /// Whether the call reports no tokens and may have been billed.
    var lacksBilledUsage: Bool { usage.isMissing && Self.mayBeBilled(status) }

    /// Takes the cost by the price table, for a call that reports none.
    package mutating func take(_ cost: ComputedCost) {
        switch cost {
        case .amount(let amount):
            self.cost = amount
            isComputed = true
        case .usageMissing: lacksUsage = true
        case .unpriced: break
        }
    }

    /// A copy with other tokens and cost.
    func with(_ amounts: Amounts, isPlan: Bool) -> CallRecord {
        var record = self
        record.usage = amounts.usage
        record.isPlan = isPlan
        record.lacksUsage = lacksUsage && !amounts.hasUsage
        // A call without tokens keeps what it costs for that reason.
        if amounts.cost != nil || amounts.hasUsage || !usage.isMissing {
            record.cost = amounts.cost
            record.isComputed = amounts.cost != nil && !amounts.costIsReported
        }
        if record.details?.webSearches != amounts.reportedWebSearches {
            record.details = (record.details ?? .none).with(webSearches: amounts.reportedWebSearches)
        }
        return record
    }

    /// Takes the time to the first token from the other reports of the call, if this one has none: the least, which is
    /// the nearest to the provider. Their order does not matter.
    mutating func takeTimeToFirstToken(of reports: some Sequence<CallRecord>) {
        guard timeToFirstTokenMicroseconds == nil,
            let time = reports.lazy.compactMap(\.timeToFirstTokenMicroseconds).min()
        else { return }
        timeToFirstTokenMicroseconds = min(time, latencyMicroseconds ?? time)
    }

    /// Whether its cost is missing from the bill. A call of a plan has no part in the bill.
    var isUnpriced: Bool { costSource == .unpriced && !isPlan }

    package var costSource: CostSource {
        cost == nil ? lacksUsage ? .usageMissing : .unpriced : isComputed ? .computed : .reported
    }
}
