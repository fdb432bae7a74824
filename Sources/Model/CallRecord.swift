/// One thing an agent reports: that a call began, or what became of it.
package enum Event: Sendable {
    case start(CallStart)
    case end(CallRecord)
}

/// A call that began. Raises `llm_active_calls` until its end or the end of its lease.
package struct CallStart: Sendable {
    package let agentName: LabelValue
    package let id: RecordID

    package init(agentName: LabelValue, id: RecordID) {
        self.agentName = agentName
        self.id = id
    }
}

/// One LLM call as posted. A value that exists obeys docs/openapi.yaml; only `Intake` makes them from bytes.
package struct CallRecord: Sendable {
    package let labels: SeriesLabels
    /// `success` or the name of another outcome, which counts as an error.
    package var status: LabelValue
    /// Absent on success; `unknown` where an error names none.
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

    /// Takes what the price table says of a call whose sender did not tell the cost.
    package mutating func take(_ cost: ComputedCost) {
        switch cost {
        case .amount(let amount):
            self.cost = amount
            isComputed = true
        case .usageMissing: lacksUsage = true
        case .unpriced: break
        }
    }

    package var costSource: CostSource {
        cost == nil ? lacksUsage ? .usageMissing : .unpriced : isComputed ? .computed : .reported
    }
}

/// What a price table says of one call.
package enum ComputedCost: Equatable, Sendable {
    case amount(Money)
    /// There is a price, but the sender of a successful call said nothing about tokens.
    case usageMissing
    /// There is no price for the model, or for the kinds of tokens that the call used.
    case unpriced
}

/// Where the cost of a call comes from.
package enum CostSource: String, CaseIterable, Sendable {
    case reported, computed, unpriced
    case usageMissing = "usage_missing"
}

/// Calls by where their cost comes from.
package struct CostSources: Equatable, Sendable {
    private var reported = 0
    private var computed = 0
    private var unpriced = 0
    private var usageMissing = 0

    package init() {}

    package subscript(source: CostSource) -> Int {
        get {
            switch source {
            case .reported: reported
            case .computed: computed
            case .unpriced: unpriced
            case .usageMissing: usageMissing
            }
        }
        set {
            switch source {
            case .reported: reported = newValue
            case .computed: computed = newValue
            case .unpriced: unpriced = newValue
            case .usageMissing: usageMissing = newValue
            }
        }
    }

    package mutating func add(_ other: CostSources) {
        for source in CostSource.allCases { self[source] += other[source] }
    }
}

/// Tokens of one call, as reported; each 0 to 1e12.
package struct Usage: Sendable, Equatable {
    /// Includes cached and written tokens.
    package var input: Int64?
    /// Includes reasoning tokens.
    package var output: Int64?
    package var total: Int64?
    package var cacheRead: Int64?
    package var cacheWrite: Int64?
    package var reasoning: Int64?

    package init(
        input: Int64? = nil, output: Int64? = nil, total: Int64? = nil, cacheRead: Int64? = nil,
        cacheWrite: Int64? = nil, reasoning: Int64? = nil
    ) {
        self.input = input
        self.output = output
        self.total = total
        self.cacheRead = cacheRead
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
    }

    /// What `llm_tokens_total` grows by: `total`, else input + output.
    package var billedTokens: Int64 { total ?? (input ?? 0) + (output ?? 0) }

    /// Whether the sender said nothing about tokens.
    package var isMissing: Bool { input == nil && output == nil && total == nil }

    /// The parts that do not overlap, or `nil` when neither input nor output is known. Of a total and one of the two, the
    /// other is what is left.
    package var kinds: TokenKinds? {
        guard input != nil || output != nil else { return nil }
        // A total below the side that is told says nothing.
        let rest = max(0, (total ?? 0) - (input ?? output ?? 0))
        let input = input ?? rest
        let output = output ?? rest
        return TokenKinds(
            input: input - (cacheRead ?? 0) - (cacheWrite ?? 0), cacheRead: cacheRead ?? 0,
            cacheWrite: cacheWrite ?? 0, output: output - (reasoning ?? 0), reasoning: reasoning ?? 0)
    }
}

/// A trace to point at from the latency bucket that the call fell into (an OpenMetrics exemplar).
package struct Trace: Sendable, Equatable {
    /// 1 to 64 hexadecimal digits, as sent.
    package let id: String
    /// Milliseconds since 1970: the record's `timestamp` if within the last 10 minutes, else its arrival.
    package let unixMilliseconds: Int64

    package init(id: String, unixMilliseconds: Int64) {
        self.id = id
        self.unixMilliseconds = unixMilliseconds
    }
}

/// Why a record was not taken.
package struct RecordRejection: Error, Sendable, Equatable {
    /// The name of the field at fault; `nil` where the record as a whole is.
    package let field: String?
    package let code: Code
    /// What is wrong and what to do, for a person.
    package let message: String

    package init(field: String? = nil, code: Code, message: String) {
        self.field = field
        self.code = code
        self.message = message
    }

    /// The codes of docs/decisions.md, "Codes of rejected records".
    package enum Code: String, Sendable, CaseIterable {
        case missing
        case wrongType = "wrong_type"
        case notInteger = "not_integer"
        case outOfRange = "out_of_range"
        case empty
        case tooLong = "too_long"
        case controlCharacter = "control_character"
        case reserved
        case invalidFormat = "invalid_format"
        case inconsistent
        case duplicateKey = "duplicate_key"
        case notAnObject = "not_an_object"
        case malformedJSON = "malformed_json"
        case idReused = "id_reused"
        case totalOverflow = "total_overflow"
    }
}
