import Model

/// One request that waits for the ledger's queue.
enum Request: Sendable {
    case submission(Submission)
    /// Removes all series.
    case reset(clearsBudgets: Bool, reply: @Sendable (Result<Void, LedgerRefusal>) -> Void)
    /// Keeps accounts for these budgets.
    case configure([Budget], adopt: @Sendable () -> Void, reply: @Sendable (Result<Void, LedgerRefusal>) -> Void)
    /// Removes the series of a selection.
    case forget(SeriesSelection, reply: @Sendable (Result<ForgottenTotals, LedgerRefusal>) -> Void)
    /// A sign of life that is asked for.
    case pulse(@Sendable () -> Void)

    /// Events to fold.
    var eventCount: Int {
        if case .submission(let submission) = self { submission.work } else { 0 }
    }

    /// Whether it never waits for a later batch.
    var isInEveryBatch: Bool {
        if case .submission = self { false } else { true }
    }

    var isPulse: Bool {
        if case .pulse = self { true } else { false }
    }
}

/// The events of one request of a client, and how to answer it.
struct Submission: Sendable {
    let events: [(index: Int, event: Event)]
    let links: [SpanLink]
    let sender: Sender
    /// Whose share of the waiting bytes it takes.
    let client: UInt64
    /// The work that it is, in events of which no other can be a report of the same call.
    let work: Int
    /// Bytes that it takes while it waits.
    let cost: Int
    let reply: @Sendable (Result<Outcome, LedgerRefusal>) -> Void

    init(
        events: [(index: Int, event: Event)], links: [SpanLink], from sender: Sender, client: UInt64, bytes: Int,
        reply: @escaping @Sendable (Result<Outcome, LedgerRefusal>) -> Void
    ) {
        self.events = events
        self.links = links
        self.sender = sender
        self.client = client
        self.reply = reply
        let reports = events.count { if case .end(let record) = $0.event { record.report != nil } else { false } }
        work = events.count + reports * Self.reportWork + links.count
        cost =
            bytes + events.count * MemoryLayout<(index: Int, event: Event)>.stride
            + links.count * MemoryLayout<SpanLink>.stride + Self.overhead
    }

    /// What it takes to find the other reports of a call.
    private static let reportWork = 16
    /// Bytes of the connection and the reply that wait with it.
    private static let overhead = 1024
}
