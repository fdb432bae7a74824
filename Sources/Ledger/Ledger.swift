private import Concurrency
private import Dispatch
package import Model
package import Store

/// The one place where totals change: a mailbox that any thread may fill, and a serial queue that empties it in
/// batches.
///
/// All that waits when the queue turns to the mailbox is one batch: prepared, committed, adopted, and only then
/// answered. An answered record is in every snapshot taken later, and no snapshot shows what is not committed. A scrape
/// never waits for the disk: while a commit runs it sees the state before it.
package final class Ledger: Watched {
    private let mailbox = Locked(Mailbox())
    private let queue: QueueConfined<Book>
    private let settings: Settings
    /// Whether what was acknowledged outlives the process. If not, posts may be gathered.
    package let isDurable: Bool
    private let watch = Watch(every: .seconds(1))

    /// A parameter, so that tests can turn it.
    package typealias Clock = @Sendable () -> Instant

    /// - Parameters:
    ///   - clock: never steps back or ahead while the program runs.
    ///   - timeOfDay: may be set; stored times are written in it, and budgets turn by it.
    package init(
        state: LedgerState, storage: sending any Storage, settings: Settings, clock: @escaping Clock,
        timeOfDay: @escaping Clock, observer: any LedgerObserver
    ) {
        isDurable = storage.isDurable
        self.settings = settings
        let book = Book(
            state: state, storage: storage, mailbox: mailbox, settings: settings, observer: observer, clock: clock,
            timeOfDay: timeOfDay)
        queue = QueueConfined(book, label: "llm-exporter.ledger")
    }

    // MARK: Requests

    /// Counts the events of one request, each on its own: those that obey the rules are counted, the others reported.
    ///
    /// - Parameters:
    ///   - links: the place of spans that report no call.
    ///   - sender: whose share of the calls in flight the starts take.
    ///   - client: whose share of the waiting bytes the request takes.
    ///   - bytes: what the request's body takes beside its events.
    ///   - isGathered: whether the work begins only with the next `flush`, so that what a thread reads in one go
    ///     becomes one batch. Not for a durable ledger: what comes during a commit is a batch anyway.
    ///   - reply: called once, when the outcome is final, on the ledger's queue or, refused at once, on this thread. It
    ///     must not wait.
    package func submit(
        _ events: [(index: Int, event: Event)], links: [SpanLink] = [], from sender: Sender = .unknown,
        client: UInt64 = 0,
        bytes: Int = 0, isGathered: Bool = false,
        reply: @escaping @Sendable (Result<Outcome, LedgerRefusal>) -> Void
    ) {
        let submission = Submission(
            events: events, links: links, from: sender, client: client, bytes: bytes, reply: reply)
        var refusal: LedgerRefusal?
        post(startsWork: !isGathered) { mailbox in
            refusal = admission(to: mailbox, of: client, submission.cost)
            guard refusal == nil else { return false }
            mailbox.waiting.add(submission.cost, of: client)
            mailbox.requests.append(.submission(submission))
            return true
        }
        if let refusal { reply(.failure(refusal)) }
    }

    /// Takes a snapshot of all that is committed.
    ///
    /// - Parameter reply: called once, on the ledger's queue or on this thread; rendering belongs elsewhere.
    package func snapshot(reply: @escaping @Sendable (LedgerSnapshot) -> Void) {
        var standing: LedgerSnapshot?
        post { mailbox in
            standing = mailbox.standing
            guard standing == nil else { return false }
            mailbox.scrapes.append(reply)
            return true
        }
        if let standing { reply(standing) }
    }

    /// Removes all series in one commit. Ids and open starts stay, and so does what was spent unless `clearsBudgets`.
    package func reset(
        clearsBudgets: Bool = false, reply: @escaping @Sendable (Result<Void, LedgerRefusal>) -> Void
    ) {
        post(.reset(clearsBudgets: clearsBudgets, reply: reply))
    }

    /// Keeps accounts for these budgets, from one commit on.
    ///
    /// - Parameters:
    ///   - adopt: called once the budgets are in force, which may be only when an undecided commit is settled; then not
    ///     before `reply`. It must not wait.
    ///   - reply: called once.
    package func configure(
        _ budgets: [Budget], adopt: @escaping @Sendable () -> Void,
        reply: @escaping @Sendable (Result<Void, LedgerRefusal>) -> Void
    ) {
        post(.configure(budgets, adopt: adopt, reply: reply))
    }

    /// Removes the series of a selection in one commit.
    package func forget(
        _ selection: SeriesSelection, reply: @escaping @Sendable (Result<ForgottenTotals, LedgerRefusal>) -> Void
    ) {
        post(.forget(selection, reply: reply))
    }

    /// Calls `alive` from the ledger's queue; at once if a disk operation has run for less than `diskLimit`. If the
    /// queue hangs, never.
    package func whenAlive(diskLimit: Duration, _ alive: @escaping @Sendable () -> Void) {
        let isAtDisk = mailbox.withLock { $0.diskWorkBegan.map { .now - $0 < diskLimit } ?? false }
        if isAtDisk { alive() } else { post(.pulse(alive)) }
    }

    // MARK: Condition

    private static let stalled = "the disk has not answered a sync for several seconds"

    /// Why a post of a client would be refused now, before anything is done for it.
    package func refusal(for client: UInt64) -> LedgerRefusal? {
        mailbox.withLock { admission(to: $0, of: client, 0) }
    }

    private func admission(to mailbox: Mailbox, of client: UInt64, _ bytes: Int) -> LedgerRefusal? {
        if mailbox.isClosing { return .closed }
        if mailbox.isBlocked, let trouble = mailbox.trouble { return LedgerRefusal(trouble) }
        if mailbox.isStalled(settings.patience) { return .storageFailed(Self.stalled) }
        return mailbox.waiting.hasRoom(for: bytes, of: client, limit: settings.waitingBytesLimit) ? nil : .overloaded
    }

    /// The reason why the ledger cannot commit now, for people; `nil` if nothing does.
    package var obstacle: String? {
        mailbox.withLock { mailbox in
            if let trouble = mailbox.trouble { return trouble.description }
            if mailbox.isStalled(settings.patience) { return Self.stalled }
            return mailbox.isClosing ? "the exporter is stopping" : nil
        }
    }

    /// Why the storage refused the last commit; `nil` if it did not.
    package var trouble: String? { mailbox.withLock { $0.trouble?.description } }

    /// Whether a commit is undecided.
    package var isUnsettled: Bool { mailbox.withLock { $0.isBlocked } }

    package var waitingBytes: Int { mailbox.withLock { $0.waiting.bytes } }
    package var waitingBytesLimit: Int { settings.waitingBytesLimit }

    // MARK: The queue

    private func post(_ request: Request) {
        post { mailbox in
            mailbox.requests.append(request)
            return true
        }
    }

    /// Appends under a lock, and wakes the queue only if it is not scheduled already: one `async` a post would cost a
    /// fifth of the throughput.
    ///
    /// - Parameter add: returns whether it has added anything.
    private func post(startsWork: Bool = true, _ add: (inout Mailbox) -> Bool) {
        let mustSchedule = mailbox.withLock { mailbox in
            guard add(&mailbox), startsWork, !mailbox.isScheduled else { return false }
            mailbox.isScheduled = true
            return true
        }
        if mustSchedule { onQueue { book in book.processAll() } }
        watch.arm(self)
    }

    /// Works off one batch of what was gathered before this returns, unless another thread does already: this thread
    /// waits for the answers anyway, and waking another costs more than the work.
    package func flush() {
        let mustSchedule = mailbox.withLock { mailbox in
            guard !mailbox.isScheduled, !mailbox.isEmpty else { return false }
            mailbox.isScheduled = true
            return true
        }
        guard mustSchedule else { return }
        queue.perform { book in
            // One batch only: other threads keep adding to it, and this thread has answers to send.
            if book.processNext() { self.onQueue { book in book.processAll() } }
            self.scheduleRetry(&book)
        }
    }

    private func onQueue(_ body: @escaping @Sendable (inout Book) -> Void) {
        queue.schedule { book in
            body(&book)
            self.scheduleRetry(&book)
        }
    }

    private func scheduleRetry(_ book: inout Book) {
        guard book.needsRetry else { return }
        book.needsRetry = false
        queue.schedule(after: settings.retryInterval) { book in
            book.retry()
            self.scheduleRetry(&book)
        }
    }

    /// If a sync hangs, posts queued behind it are refused: none of their records was tried. Scrapes that wait for its
    /// outcome get the state before.
    package func look() {
        // Flushes records whose thread ended before it flushed them.
        if !isDurable { flush() }
        let late = mailbox.withLock { mailbox -> (scrapes: [Mailbox.Scrape], standing: LedgerSnapshot)? in
            guard mailbox.isStalled(min(.seconds(1), settings.patience)), let standing = mailbox.standing else {
                return nil
            }
            return (mailbox.held.taken(), standing)
        }
        if let late { for reply in late.scrapes { reply(late.standing) } }
        let refused = mailbox.withLock { mailbox in
            mailbox.isStalled(settings.patience) ? mailbox.takeSubmissions() : []
        }
        for submission in refused { submission.reply(.failure(.storageFailed(Self.stalled))) }
    }

    /// Whether anything waits for the queue, or for the disk.
    package var needsLook: Bool {
        mailbox.withLock { $0.isScheduled || !$0.isEmpty || !$0.held.isEmpty || $0.diskWorkBegan != nil }
    }

    // MARK: The beginning and the end

    /// Tries a commit that changes nothing, so that `obstacle` reports a disk that takes none. Waits for it, at most as
    /// long as a post does.
    package func probe() {
        let done = DispatchSemaphore(value: 0)
        onQueue { book in
            book.probe()
            done.signal()
        }
        _ = done.wait(timeout: .now() + .milliseconds(Int(settings.patience.wholeMilliseconds)))
    }

    /// Commits and answers what waits, refuses what comes later, and closes the storage. Returns when that is done, or
    /// at the deadline: a disk that does not answer must not keep the program from ending.
    ///
    /// - Returns: whether it is done, and all that was committed, and nothing else, is where the next start finds it.
    @discardableResult
    package func close(within limit: Duration) -> Bool {
        let done = DispatchSemaphore(value: 0)
        let isClean = Locked(false)
        // From now on, so that there is an end to what waits.
        mailbox.withLock { $0.isClosing = true }
        onQueue { book in
            book.processAll()
            let failure = book.close()
            isClean.withLock { $0 = failure == nil }
            done.signal()
        }
        _ = done.wait(timeout: .now() + .milliseconds(Int(limit.wholeMilliseconds)))
        return isClean.withLock { $0 }
    }
}
