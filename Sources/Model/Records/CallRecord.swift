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
    package var latencyMicroseconds: Int64?
    package var apiLatencyMicroseconds: Int64?
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
    func with(_ amounts: Amounts) -> CallRecord {
        var record = self
        record.usage = amounts.usage
        record.cost = amounts.cost
        record.isComputed = amounts.cost != nil && !amounts.costIsReported
        return record
    }

    package var costSource: CostSource {
        cost == nil ? lacksUsage ? .usageMissing : .unpriced : isComputed ? .computed : .reported
    }
}
