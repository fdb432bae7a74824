import Model
import Store

/// What threads leave for the ledger's queue, and what it tells them meanwhile.
struct Mailbox: Sendable {
    var waiting = Work()
    var isScheduled = false
    /// Of what waits and of the batch that is being committed.
    var waitingBytes = 0
    /// While the disk works: the state before, for scrapes.
    var standing: LedgerSnapshot?
    /// Scrapes that wait for what the disk works on, for as long as it is quick.
    var held: [@Sendable (LedgerSnapshot) -> Void] = []
    var commitBegan: ContinuousClock.Instant?
    var trouble: StoreError?
    /// Whether an undecided commit keeps all others from being tried.
    var isBlocked = false
    var isClosed = false

    mutating func takeHeld() -> [@Sendable (LedgerSnapshot) -> Void] {
        defer { held = [] }
        return held
    }

    func isStalled(_ patience: Duration) -> Bool {
        commitBegan.map { .now - $0 > patience } ?? false
    }
}

/// What waits for the queue.
struct Work: Sendable {
    var submissions: [Submission] = []
    var snapshots: [@Sendable (LedgerSnapshot) -> Void] = []
    var resets: [(clearsBudgets: Bool, @Sendable (Result<Void, LedgerRefusal>) -> Void)] = []
    var configurations: [Configuring] = []
    var forgets: [(SeriesSelection, @Sendable (Result<ForgottenTotals, LedgerRefusal>) -> Void)] = []
    /// Signs of life to be given.
    var pulses: [@Sendable () -> Void] = []

    var isEmpty: Bool {
        submissions.isEmpty && snapshots.isEmpty && resets.isEmpty && configurations.isEmpty && forgets.isEmpty
            && pulses.isEmpty
    }

    mutating func takePulses() -> [@Sendable () -> Void] {
        defer { pulses = [] }
        return pulses
    }

    /// All but the submissions that would make the batch so large that the others wait for it.
    mutating func takeBatch() -> Work {
        var events = 0
        var count = 0
        while count < submissions.count, count == 0 || events + submissions[count].events.count <= Self.batchLimit {
            events += submissions[count].events.count
            count += 1
        }
        var batch = Work()
        if count == submissions.count {
            swap(&batch, &self)
        } else {
            let rest = Array(submissions[count...])
            submissions.removeSubrange(count...)
            swap(&batch, &self)
            submissions = rest
        }
        return batch
    }

    /// Whether it is one submission of more events than a batch of several has.
    var isLong: Bool { submissions.reduce(0) { $0 + $1.events.count } > Self.batchLimit }

    /// Events in a batch of several submissions.
    private static let batchLimit = 16_384
}

/// Budgets to be kept from one commit on.
struct Configuring: Sendable {
    let budgets: [Budget]
    let adopt: @Sendable () -> Void
    let reply: @Sendable (Result<Void, LedgerRefusal>) -> Void
}

/// The events of one request, and whom to answer.
struct Submission: Sendable {
    let events: [(index: Int, event: Event)]
    let cost: Int
    let reply: @Sendable (Result<Outcome, LedgerRefusal>) -> Void

    init(
        events: [(index: Int, event: Event)], bytes: Int,
        reply: @escaping @Sendable (Result<Outcome, LedgerRefusal>) -> Void
    ) {
        self.events = events
        self.reply = reply
        cost = bytes + events.count * MemoryLayout<(index: Int, event: Event)>.stride + Self.overhead
    }

    /// Of the connection and the reply that wait with it.
    private static let overhead = 1024
}
