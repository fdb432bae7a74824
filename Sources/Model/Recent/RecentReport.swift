/// One report of a call, kept while others of the same call may come.
///
/// Reports of one call form a tree: each except the root has a container, the report that it is tied to. A tree can
/// hold several calls, inside the report of a whole.
struct RecentReport: Sendable {
    let content: Content
    /// What was counted for this report, as a call's first report or in addition to one.
    var counted: Amounts {
        get { countedAmounts?.amounts ?? Amounts() }
        set { countedAmounts = newValue == Amounts() ? nil : Boxed(newValue) }
    }
    private var countedAmounts: Boxed?
    /// Whether a call was counted for it.
    var countsCall = false
    /// Whether its call can have no more reports.
    var isClosed = false
    /// The nearest unknown span above it, if that span may be a call.
    var missing: SpanID?

    /// The report that it is tied to; `nil` for a root.
    var container: Int?
    var tie = Tie(kind: .nested)
    var children: [Int] = []
    /// Parts of this whole that are closed.
    var settled: [Part] = []
    var next = ChainLinks()
    /// Why it was first merged with another report.
    var reason: MergeReason?

    /// The part that never changes. A class, so that changing the rest copies little.
    final class Content: Sendable {
        let number: Int
        let arrival: Instant
        let record: CallRecord
        let report: CallReport
        let own: Amounts
        let isFailed: Bool

        init(number: Int, arrival: Instant, record: CallRecord, report: CallReport) {
            self.number = number
            self.arrival = arrival
            self.record = record
            self.report = report
            own = Amounts(of: record)
            isFailed = !record.isSuccess
        }
    }

    /// A class, as reports are copied often and their amounts rarely change.
    private final class Boxed: Sendable {
        let amounts: Amounts

        init(_ amounts: Amounts) {
            self.amounts = amounts
        }
    }

    /// Reports of one scope within another report.
    struct Part: Sendable {
        let scope: UInt64
        var calls = 0
        var amounts = Amounts()
        var countedCalls = 0
        var counted = Amounts()
        /// The number of the first of them.
        var first: Int
    }

    init(_ content: Content) {
        self.content = content
    }

    var report: CallReport { content.report }
    var isFailed: Bool { content.isFailed }
}

/// The reason that two reports are one call, and its strength.
struct Tie: Sendable, Comparable {
    enum Kind: Sendable {
        case nested, requestID, responseID
        /// Side by side, with the same tokens.
        case sibling
        /// Side by side, without tokens.
        case simultaneous
        /// It may be nested: the spans between are not known yet.
        case possible

        /// 0 is the strongest.
        fileprivate var rank: Int {
            switch self {
            case .nested: 0
            case .requestID: 1
            case .responseID: 2
            case .sibling: 3
            case .simultaneous, .possible: 4
            }
        }
    }

    var kind: Kind
    /// Nanoseconds between their starts and between their ends.
    var distance: UInt64 = 0
    /// The end of the tie that is not the container: the child, or a report below it.
    var inner = 0

    /// Whether the tie stays whatever else comes.
    var isCertain: Bool { kind == .nested || kind == .requestID }
    /// Whether the two stand beside each other: neither contains the other.
    var isBeside: Bool { kind == .responseID || kind == .sibling || kind == .simultaneous }
    /// Whether one span is, or may be, inside the other: then the inner end is the root of what hangs there.
    var isInside: Bool { kind == .nested || kind == .possible }

    static func < (left: Tie, right: Tie) -> Bool {
        (left.kind.rank, left.distance) < (right.kind.rank, right.distance)
    }

    static func == (left: Tie, right: Tie) -> Bool {
        (left.kind.rank, left.distance) == (right.kind.rank, right.distance)
    }

    var reason: MergeReason {
        switch kind {
        case .nested, .possible: .nested
        case .requestID: .requestID
        case .responseID: .responseID
        case .sibling, .simultaneous: .sibling
        }
    }
}

/// Lists by which reports are found, each from the newest to the oldest.
enum Chain: UInt8, CaseIterable, Sendable {
    /// The report with a span id.
    case span
    /// Those with a request id.
    case request
    /// Those that wait for the span above them.
    case waiting
    /// Those of a process with the same tokens, or with none.
    case counts
    /// Those of a process with the same response id.
    case response
    /// Those of a trace.
    case trace
}

/// By chain, the number of the report behind this one; -1 is none.
struct ChainLinks: Sendable {
    private var waiting = -1
    private var counts = -1
    private var response = -1
    private var trace = -1

    subscript(chain: Chain) -> Int {
        get {
            switch chain {
            case .span, .request: -1
            case .waiting: waiting
            case .counts: counts
            case .response: response
            case .trace: trace
            }
        }
        set {
            switch chain {
            // One report at a time has the key.
            case .span, .request: break
            case .waiting: waiting = newValue
            case .counts: counts = newValue
            case .response: response = newValue
            case .trace: trace = newValue
            }
        }
    }
}
