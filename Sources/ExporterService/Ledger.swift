private import Dispatch
package import Model

/// The one place where totals change: a mailbox that any thread may fill, and a serial queue that empties it in batches.
///
/// All that waits when the queue turns to the mailbox is one batch: folded into a delta, committed, merged, and only then
/// answered. Whoever was answered finds his records in every snapshot taken later.
package final class Ledger: Sendable {
    private let mailbox = Locked(Mailbox())
    private let book: QueueConfined<Book>
    private let clock: Clock
    private let lease: Duration
    private let observer: any LedgerObserver

    /// The wall clock; a parameter, so that tests can turn it.
    package typealias Clock = @Sendable () -> Instant

    package init(state: LedgerState, lease: Duration, clock: @escaping Clock, observer: any LedgerObserver) {
        book = QueueConfined(Book(state: state), label: "llm-exporter.ledger")
        self.clock = clock
        self.lease = lease
        self.observer = observer
    }

    /// Counts the events of one request, each on its own: the good ones are taken, the others named.
    ///
    /// - Parameter reply: called once, on the ledger's queue, when the outcome is final. It must not wait.
    package func submit(
        _ events: [(index: Int, event: Event)], reply: @escaping @Sendable (Result<Verdict, LedgerRefusal>) -> Void
    ) {
        post { $0.submissions.append(Submission(events: events, reply: reply)) }
    }

    /// Takes a snapshot of all that is committed.
    ///
    /// - Parameter reply: called once, on the ledger's queue; rendering belongs elsewhere.
    package func snapshot(reply: @escaping @Sendable (LedgerSnapshot) -> Void) {
        post { $0.snapshots.append(reply) }
    }

    /// Removes all series in one commit; ids and open starts stay.
    package func reset(reply: @escaping @Sendable () -> Void) {
        post { $0.resets.append(reply) }
    }

    /// Removes the series of a selection in one commit.
    package func forget(_ selection: SeriesSelection, reply: @escaping @Sendable (ForgottenTotals) -> Void) {
        post { $0.forgets.append((selection, reply)) }
    }

    // MARK: The mailbox

    private struct Mailbox: Sendable {
        var waiting = Work()
        var isScheduled = false
    }

    /// What waits for the queue.
    private struct Work: Sendable {
        var submissions: [Submission] = []
        var snapshots: [@Sendable (LedgerSnapshot) -> Void] = []
        var resets: [@Sendable () -> Void] = []
        var forgets: [(SeriesSelection, @Sendable (ForgottenTotals) -> Void)] = []

        var isEmpty: Bool { submissions.isEmpty && snapshots.isEmpty && resets.isEmpty && forgets.isEmpty }
    }

    private struct Submission: Sendable {
        let events: [(index: Int, event: Event)]
        let reply: @Sendable (Result<Verdict, LedgerRefusal>) -> Void
    }

    /// An append under a lock, and a wake-up only where nobody is on the way: one `async` a post would cost a fifth of
    /// the throughput.
    private func post(_ add: (inout Work) -> Void) {
        let mustSchedule = mailbox.withLock { mailbox in
            add(&mailbox.waiting)
            defer { mailbox.isScheduled = true }
            return !mailbox.isScheduled
        }
        if mustSchedule { book.schedule { book in self.empty(into: &book) } }
    }

    private func empty(into book: inout Book) {
        while true {
            let work = mailbox.withLock { mailbox in
                let work = mailbox.waiting
                mailbox.waiting = Work()
                mailbox.isScheduled = !work.isEmpty
                return work
            }
            if work.isEmpty { return }
            process(work, on: &book)
        }
    }

    // MARK: The queue

    /// What only the queue touches.
    private struct Book {
        var state: LedgerState
        /// The latest moment seen: a clock that steps back must not make ids or leases younger.
        var now = Instant(unixMilliseconds: 0)
        var saysThatWindowIsShort = false
        var saysThatLimitIsReached = false
    }

    private func process(_ work: Work, on book: inout Book) {
        book.now = max(book.now, clock())
        let began = ContinuousClock.now
        let now = book.now

        var delta = Delta()
        delta.expireCalls(begunBefore: now.adding(.zero - lease), onto: book.state)
        let verdicts = work.submissions.map { submission in
            fold(submission.events, into: &delta, onto: book.state, now: now)
        }
        book.state.merge(delta, now: now)
        if !work.submissions.isEmpty {
            observer.committed(overflowRecords: delta.overflowRecords, in: .now - began)
        }
        reportShortWindow(&book)
        if delta.overflowRecords > 0, !book.saysThatLimitIsReached {
            book.saysThatLimitIsReached = true
            observer.limitReached(maxSeries: book.state.registry.maxSeries)
        }

        for (submission, verdict) in zip(work.submissions, verdicts) { submission.reply(verdict) }
        for reply in work.resets {
            book.state.reset()
            reply()
        }
        for (selection, reply) in work.forgets { reply(book.state.forget(selection)) }
        guard !work.snapshots.isEmpty else { return }
        let snapshot = LedgerSnapshot(book.state, now: now)
        for reply in work.snapshots { reply(snapshot) }
    }

    private func fold(
        _ events: [(index: Int, event: Event)], into delta: inout Delta, onto state: LedgerState, now: Instant
    ) -> Result<Verdict, LedgerRefusal> {
        guard delta.hasRoomForStarts(of: events, onto: state, now: now) else {
            return .failure(.tooManyOpenCalls)
        }
        var verdict = Verdict()
        for placed in events {
            do throws(RecordRejection) {
                switch try delta.fold(placed.event, onto: state, now: now) {
                case .accepted: verdict.accepted += 1
                case .duplicate: verdict.duplicates += 1
                }
            } catch {
                verdict.rejections.append(index: placed.index, error)
            }
        }
        return .success(verdict)
    }

    private func reportShortWindow(_ book: inout Book) {
        guard !book.saysThatWindowIsShort else { return }
        let window = book.state.recentIDs.effectiveWindow(now: book.now)
        guard window < book.state.recentIDs.window else { return }
        book.saysThatWindowIsShort = true
        observer.windowShortened(to: window, maxIDs: book.state.recentIDs.maxIDs)
    }
}

/// What became of the events of one request.
package struct Verdict: Sendable {
    package var accepted = 0
    package var duplicates = 0
    package var rejections = RejectedRecords()
}

/// Why nothing of a request was applied.
package enum LedgerRefusal: Error, Sendable {
    /// As many calls are in flight as may be (`OpenCalls.limit`).
    case tooManyOpenCalls
}

/// What the ledger tells of its own work; called on its queue.
package protocol LedgerObserver: Sendable {
    /// A batch was committed and merged.
    func committed(overflowRecords: Int, in duration: Duration)
    /// `--limits.max-series` folds a record; called once.
    func limitReached(maxSeries: Int)
    /// `--dedup.max-ids` pushes ids out before their time; called once.
    func windowShortened(to window: Duration, maxIDs: Int)
}

/// The totals for one scrape, with what the ledger knows of itself.
package struct LedgerSnapshot: Sendable {
    package let totals: Snapshot
    package let places: Int
    package let maxSeries: Int
    package let rememberedIDs: Int
    package let idWindow: Duration
    package let openCalls: Int

    init(_ state: LedgerState, now: Instant) {
        totals = state.registry.snapshot
        places = state.registry.places
        maxSeries = state.registry.maxSeries
        rememberedIDs = state.recentIDs.count
        idWindow = state.recentIDs.effectiveWindow(now: now)
        openCalls = state.openCalls.count
    }
}
