private import Concurrency
private import Dispatch
package import Model
package import Store

/// The one place where totals change: a mailbox that any thread may fill, and a serial queue that empties it in batches.
///
/// What waits when the queue turns to the mailbox is one batch: folded into a delta, committed, merged, and only then
/// answered. Whoever was answered finds his records in every snapshot taken later, and no snapshot shows what is not
/// committed. A scrape never waits for the disk: while a commit runs it sees the state before it.
package final class Ledger: Sendable {
    private let mailbox = Locked(Mailbox())
    private let book: QueueConfined<Book>
    private let clock: Clock
    private let timeOfDay: Clock
    private let settings: Settings
    private let observer: any LedgerObserver
    /// Whether what was acknowledged outlives the process. Where it does not, posts may be gathered.
    package let isDurable: Bool
    private let watch = Locked<Ticker?>(nil)

    /// A parameter, so that tests can turn it.
    package typealias Clock = @Sendable () -> Instant

    package struct Settings: Sendable {
        /// After this a call that never ended is no longer active.
        package var lease: Duration
        /// Bytes that may wait to be committed; what comes beyond is refused.
        package var waitingBytesLimit: Int
        /// After this a post that waits for a disk that does not answer is refused.
        package var patience: Duration
        /// Time between attempts to commit again after a failure.
        package var retryInterval: Duration

        package init(
            lease: Duration, waitingBytesLimit: Int = 128 << 20, patience: Duration = .seconds(5),
            retryInterval: Duration = .seconds(1)
        ) {
            self.lease = lease
            self.waitingBytesLimit = waitingBytesLimit
            self.patience = patience
            self.retryInterval = retryInterval
        }
    }

    /// - Parameters:
    ///   - clock: never steps back or ahead while the program runs.
    ///   - timeOfDay: by which what is stored is told, and budgets begin anew; may be set.
    package init(
        state: LedgerState, storage: sending any Storage, settings: Settings, clock: @escaping Clock,
        timeOfDay: @escaping Clock, observer: any LedgerObserver
    ) {
        isDurable = storage.isDurable
        book = QueueConfined(Book(state: state, storage: storage), label: "llm-exporter.ledger")
        self.settings = settings
        self.clock = clock
        self.timeOfDay = timeOfDay
        self.observer = observer
        watch.withLock { $0 = Ticker(every: .seconds(1)) { [weak self] in self?.lookAfterWhoWaits() } }
    }

    /// Counts the events of one request, each on its own: the good ones are taken, the others named.
    ///
    /// - Parameters:
    ///   - bytes: what the request's body takes beside its events.
    ///   - isGathered: whether the work begins only with the next `flush`, so that what a thread reads in one go becomes one
    ///     batch. Not where a disk is written: what comes during a commit is a batch anyway.
    ///   - reply: called once, when the outcome is final, on the ledger's queue or, refused at once, on this thread. It
    ///     must not wait.
    package func submit(
        _ events: [(index: Int, event: Event)], bytes: Int = 0, isGathered: Bool = false,
        reply: @escaping @Sendable (Result<Outcome, LedgerRefusal>) -> Void
    ) {
        let submission = Submission(events: events, bytes: bytes, reply: reply)
        var refusal: LedgerRefusal?
        post(startsWork: !isGathered) { mailbox in
            refusal = admission(to: mailbox)
            guard refusal == nil else { return false }
            mailbox.waitingBytes += submission.cost
            mailbox.waiting.submissions.append(submission)
            return true
        }
        if let refusal { reply(.failure(refusal)) }
    }

    /// Why a post would be refused now, before anything is done for it.
    package var refusal: LedgerRefusal? {
        mailbox.withLock { admission(to: $0) }
    }

    /// What keeps the ledger from committing now, for people; `nil` when nothing does.
    package var obstacle: String? {
        mailbox.withLock { mailbox in
            if let trouble = mailbox.trouble { return trouble.description }
            if mailbox.isStalled(settings.patience) { return Self.stalled }
            return mailbox.isClosed ? "the exporter is stopping" : nil
        }
    }

    /// What the storage said when it last refused; `nil` where it did not.
    package var trouble: String? { mailbox.withLock { $0.trouble?.description } }

    /// Whether a commit is undecided.
    package var isUnsettled: Bool { mailbox.withLock { $0.isBlocked } }

    package var waitingBytes: Int { mailbox.withLock { $0.waitingBytes } }
    package var waitingBytesLimit: Int { settings.waitingBytesLimit }

    /// Takes a snapshot of all that is committed.
    ///
    /// - Parameter reply: called once, on the ledger's queue or on this thread; rendering belongs elsewhere.
    package func snapshot(reply: @escaping @Sendable (LedgerSnapshot) -> Void) {
        var standing: LedgerSnapshot?
        post { mailbox in
            standing = mailbox.standing
            guard standing == nil else { return false }
            mailbox.waiting.snapshots.append(reply)
            return true
        }
        if let standing { reply(standing) }
    }

    /// Removes all series in one commit; ids, open starts and, unless told otherwise, what was spent of budgets stay.
    package func reset(
        clearsBudgets: Bool = false, reply: @escaping @Sendable (Result<Void, LedgerRefusal>) -> Void
    ) {
        post {
            $0.waiting.resets.append((clearsBudgets, reply)); return true
        }
    }

    /// Keeps accounts for exactly these budgets, from one commit on.
    ///
    /// - Parameters:
    ///   - adopt: called once that is in force, be it only when an undecided commit is settled; not before `reply` then. It
    ///     must not wait.
    ///   - reply: called once.
    package func configure(
        _ budgets: [Budget], adopt: @escaping @Sendable () -> Void,
        reply: @escaping @Sendable (Result<Void, LedgerRefusal>) -> Void
    ) {
        post {
            $0.waiting.configurations.append(Configuring(budgets: budgets, adopt: adopt, reply: reply)); return true
        }
    }

    /// Removes the series of a selection in one commit.
    package func forget(
        _ selection: SeriesSelection, reply: @escaping @Sendable (Result<ForgottenTotals, LedgerRefusal>) -> Void
    ) {
        post {
            $0.waiting.forgets.append((selection, reply)); return true
        }
    }

    /// Calls `alive` as soon as the queue gets to it, or now while the disk works on what it was given less than `diskLimit` ago.
    /// Never, where the queue hangs.
    package func whenAlive(diskLimit: Duration, _ alive: @escaping @Sendable () -> Void) {
        let isAtDisk = mailbox.withLock { $0.commitBegan.map { .now - $0 < diskLimit } ?? false }
        if isAtDisk {
            alive()
        } else {
            post {
                $0.waiting.pulses.append(alive); return true
            }
        }
    }

    /// Tries a commit that changes nothing, so that `obstacle` tells of a disk that takes none. Waits for it, though not for
    /// longer than a post does.
    package func probe() {
        let done = DispatchSemaphore(value: 0)
        book.schedule { book in
            self.probe(&book)
            done.signal()
        }
        _ = done.wait(timeout: .now() + .milliseconds(Int(settings.patience.wholeMilliseconds)))
    }

    /// Commits and answers what waits, refuses what comes later, and closes the storage. Returns when that is done, or at
    /// the deadline: a disk that does not answer must not keep the program from ending.
    ///
    /// - Returns: whether it is done, and all that was committed, and nothing else, is where the next start finds it.
    @discardableResult
    package func close(within limit: Duration) -> Bool {
        let done = DispatchSemaphore(value: 0)
        let isClean = Locked(false)
        book.schedule { book in
            self.empty(into: &book)
            self.mailbox.withLock { $0.isClosed = true }
            // What came in between.
            self.empty(into: &book)
            book.isClosed = true
            self.lookAtClocks(&book)
            let failure = self.whileTheDiskWorks(&book) { $0.close() }
            if let failure { self.mailbox.withLock { $0.trouble = failure } }
            isClean.withLock { $0 = failure == nil }
            done.signal()
        }
        _ = done.wait(timeout: .now() + .milliseconds(Int(limit.wholeMilliseconds)))
        return isClean.withLock { $0 }
    }

    // MARK: The mailbox

    private static let stalled = "the disk has not answered a sync for several seconds"

    private func admission(to mailbox: Mailbox) -> LedgerRefusal? {
        if mailbox.isClosed { return .closed }
        if mailbox.isBlocked, let trouble = mailbox.trouble { return LedgerRefusal(trouble) }
        if mailbox.isStalled(settings.patience) { return .storageFailed(Self.stalled) }
        return mailbox.waitingBytes >= settings.waitingBytesLimit ? .overloaded : nil
    }

    /// An append under a lock, and a wake-up only where nobody is on the way: one `async` a post would cost a fifth of
    /// the throughput.
    ///
    /// - Parameter add: returns whether it has added anything.
    private func post(startsWork: Bool = true, _ add: (inout Mailbox) -> Bool) {
        let mustSchedule = mailbox.withLock { mailbox in
            guard add(&mailbox), startsWork, !mailbox.isScheduled else { return false }
            mailbox.isScheduled = true
            return true
        }
        if mustSchedule { book.schedule { book in self.empty(into: &book) } }
    }

    /// Works off one batch of what was gathered before this returns, unless another thread is at it: the thread that waits for
    /// the answers may as well do the work, and waking another costs more than the work.
    package func flush() {
        let mustSchedule = mailbox.withLock { mailbox in
            guard !mailbox.isScheduled, !mailbox.waiting.isEmpty else { return false }
            mailbox.isScheduled = true
            return true
        }
        guard mustSchedule else { return }
        book.perform { book in
            // No more than one batch: others add to it all the while, and this thread has answers to send.
            if self.takeAndProcess(on: &book) { self.book.schedule { book in self.empty(into: &book) } }
        }
    }

    private func empty(into book: inout Book) {
        while takeAndProcess(on: &book) {}
    }

    /// - Returns: whether there is more to do; `isScheduled` then stays set.
    private func takeAndProcess(on book: inout Book) -> Bool {
        var work = mailbox.withLock { $0.waiting.takeBatch() }
        for alive in work.takePulses() { alive() }
        if !work.isEmpty {
            process(work, on: &book)
            tidy(&book)
        }
        return mailbox.withLock { mailbox in
            mailbox.isScheduled = !mailbox.waiting.isEmpty
            return mailbox.isScheduled
        }
    }

    private func tidy(_ book: inout Book) {
        guard book.storage.isUntidy else { return }
        whileTheDiskWorks(&book) { storage in
            do throws(StoreError) {
                try storage.tidy()
            } catch {
                observer.checkpointFailed(error)
            }
        }
    }

    /// A disk that does not answer holds the queue; who waits behind it is told, as nothing of his was tried.
    private func lookAfterWhoWaits() {
        // Whoever gathered and did not flush is gone: what he sent is not.
        if !isDurable { flush() }
        let late = mailbox.withLock { mailbox -> ([@Sendable (LedgerSnapshot) -> Void], LedgerSnapshot)? in
            guard mailbox.isStalled(min(.seconds(1), settings.patience)), let standing = mailbox.standing else {
                return nil
            }
            return (mailbox.takeHeld(), standing)
        }
        if let (scrapes, standing) = late { for reply in scrapes { reply(standing) } }
        let refused = mailbox.withLock { mailbox -> [Submission] in
            guard mailbox.isStalled(settings.patience) else { return [] }
            let refused = mailbox.waiting.submissions
            mailbox.waiting.submissions = []
            mailbox.waitingBytes -= refused.reduce(0) { $0 + $1.cost }
            return refused
        }
        for submission in refused { submission.reply(.failure(.storageFailed(Self.stalled))) }
    }

    // MARK: The queue

    /// What only the queue touches.
    private struct Book {
        var state: LedgerState
        let storage: any Storage
        /// The latest moment seen: ids and leases must not grow younger.
        var now = Instant(unixMilliseconds: 0)
        /// The time of day by which budgets begin anew.
        var timeOfDay = Instant(unixMilliseconds: 0)
        /// What the undecided commit makes of the state.
        var undecided: Step?
        var isRetrying = false
        var isClosed = false
        var saysThatWindowIsShort = false
        var saysThatLimitIsReached = false

        var skew: Duration { .milliseconds(timeOfDay.unixMilliseconds - now.unixMilliseconds) }
    }

    /// What a commit makes of the state.
    private enum Step: Sendable {
        case revision(Revision)
        case state(LedgerState, adopt: @Sendable () -> Void = {})
    }

    private func lookAtClocks(_ book: inout Book) {
        book.now = max(book.now, clock())
        book.timeOfDay = timeOfDay()
    }

    private func process(_ work: Work, on book: inout Book) {
        lookAtClocks(&book)
        let now = book.now
        var delta = Delta(skew: book.skew)
        delta.expireCalls(begunBefore: now.adding(.zero - settings.lease), onto: book.state)
        // A scrape that came with posts does not wait for the disk either, unless a lease ended: it must show that.
        if isDurable && delta.isEmpty {
            answer(work.snapshots, from: book)
        } else {
            mailbox.withLock { $0.held = work.snapshots }
        }
        let state = book.state
        let outcomes = whileOthersSeeTheStateBefore(isLong: work.isLong, book) {
            work.submissions.map { fold($0.events, into: &delta, onto: state, now: now) }
        }
        let refusal = delta.isEmpty ? nil : commit(delta, on: &book, records: Self.accepted(outcomes))

        // First: who has his answer may send as much again.
        let bytes = work.submissions.reduce(0) { $0 + $1.cost }
        if bytes > 0 { mailbox.withLock { $0.waitingBytes -= bytes } }
        for (submission, outcome) in zip(work.submissions, outcomes) {
            guard let refusal else {
                submission.reply(outcome)
                continue
            }
            // Others, or a lease that ended, needed the commit: what only repeats what is on disk does not.
            var own = Delta(skew: book.skew)
            let alone = fold(submission.events, into: &own, onto: book.state, now: now)
            submission.reply(own.isEmpty ? alone : .failure(refusal))
        }
        for (clearsBudgets, reply) in work.resets {
            var state = book.state
            state.reset(clearsBudgets: clearsBudgets)
            reply(replace(with: state, on: &book))
        }
        for configuring in work.configurations {
            var state = book.state
            state.configure(configuring.budgets, now: book.timeOfDay)
            let isSame = Array(state.budgets.elements) == Array(book.state.budgets.elements)
            // Behind one that is undecided, which may yet be in force later.
            if isSame, book.undecided == nil {
                configuring.adopt()
                configuring.reply(.success(()))
            } else {
                configuring.reply(replace(with: state, adopt: configuring.adopt, on: &book))
            }
        }
        for (selection, reply) in work.forgets {
            var state = book.state
            let forgotten = state.forget(selection)
            reply(forgotten.isEmpty ? .success(forgotten) : replace(with: state, on: &book).map { forgotten })
        }
        answer(mailbox.withLock { $0.takeHeld() }, from: book)
    }

    private func answer(_ scrapes: [@Sendable (LedgerSnapshot) -> Void], from book: Book) {
        guard !scrapes.isEmpty else { return }
        let snapshot = LedgerSnapshot(book.state, now: book.now, timeOfDay: book.timeOfDay)
        for reply in scrapes { reply(snapshot) }
    }

    private static func accepted(_ outcomes: [Result<Outcome, LedgerRefusal>]) -> Int {
        outcomes.reduce(0) { sum, outcome in
            if case .success(let outcome) = outcome { sum + outcome.accepted } else { sum }
        }
    }

    /// - Returns: `nil` once the delta is durable and merged.
    private func commit(_ delta: Delta, on book: inout Book, records: Int) -> LedgerRefusal? {
        let revision = Revision(of: delta, onto: book.state, now: book.now)
        let began = ContinuousClock.now
        if let refusal = perform(.revision(revision), on: &book) { return refusal }
        observer.committed(records: records, overflowRecords: delta.overflowRecords, in: .now - began)
        reportShortWindow(&book)
        if delta.overflowRecords > 0, !book.saysThatLimitIsReached {
            book.saysThatLimitIsReached = true
            observer.limitReached(maxSeries: book.state.registry.maxSeries)
        }
        return nil
    }

    private func replace(
        with state: LedgerState, adopt: @escaping @Sendable () -> Void = {}, on book: inout Book
    ) -> Result<Void, LedgerRefusal> {
        let began = ContinuousClock.now
        if let refusal = perform(.state(state, adopt: adopt), on: &book) { return .failure(refusal) }
        observer.committed(records: 0, overflowRecords: 0, in: .now - began)
        return .success(())
    }

    /// Commits a step and makes it part of the state, or neither.
    private func perform(_ step: Step, on book: inout Book) -> LedgerRefusal? {
        if let trouble = mailbox.withLock({ $0.isBlocked ? $0.trouble : nil }) { return LedgerRefusal(trouble) }
        if book.isClosed { return .closed }
        let skew = book.skew
        let outcome = whileTheDiskWorks(&book) { storage in
            switch step {
            case .revision(let revision): storage.commit(revision)
            case .state(let state, _): storage.replace(with: state, skew: skew)
            }
        }
        switch outcome {
        case .committed:
            merge(step, into: &book.state)
            recovered()
            return nil
        case .refused(let error):
            failed(error, blocks: false, &book)
            return LedgerRefusal(error)
        case .undecided(let error):
            book.undecided = step
            failed(error, blocks: true, &book)
            return .outcomeUnknown
        }
    }

    private func merge(_ step: Step, into state: inout LedgerState) {
        switch step {
        case .revision(let revision): state.merge(revision)
        case .state(let changed, let adopt):
            state = changed
            adopt()
        }
    }

    /// Lets scrapes see the state before, and `lookAfterWhoWaits` see since when.
    private func whileTheDiskWorks<Result>(_ book: inout Book, _ work: (any Storage) -> Result) -> Result {
        guard isDurable else { return work(book.storage) }
        mailbox.withLock { $0.commitBegan = .now }
        defer { mailbox.withLock { $0.commitBegan = nil } }
        let storage = book.storage
        return whileOthersSeeTheStateBefore(isLong: true, book) { work(storage) }
    }

    /// Answers scrapes from the state before while something takes its time.
    private func whileOthersSeeTheStateBefore<Result>(isLong: Bool, _ book: Book, _ work: () -> Result) -> Result {
        guard isLong else { return work() }
        let standing = LedgerSnapshot(book.state, now: book.now, timeOfDay: book.timeOfDay)
        let waiting = mailbox.withLock { mailbox in
            mailbox.standing = standing
            defer { mailbox.waiting.snapshots = [] }
            return mailbox.waiting.snapshots
        }
        for reply in waiting { reply(standing) }
        defer { mailbox.withLock { $0.standing = nil } }
        return work()
    }

    // MARK: Trouble

    private func failed(_ error: StoreError, blocks: Bool, _ book: inout Book) {
        let isNew = mailbox.withLock { mailbox in
            defer {
                mailbox.trouble = error
                mailbox.isBlocked = blocks
            }
            return mailbox.trouble == nil || mailbox.isBlocked != blocks
        }
        observer.commitFailed(error, isUndecided: blocks, isNew: isNew)
        guard !book.isRetrying else { return }
        book.isRetrying = true
        self.book.schedule(after: settings.retryInterval) { book in self.retry(&book) }
    }

    private func recovered() {
        let hadTrouble = mailbox.withLock { mailbox in
            defer {
                mailbox.trouble = nil
                mailbox.isBlocked = false
            }
            return mailbox.trouble != nil
        }
        if hadTrouble { observer.recovered() }
    }

    /// Settles what is undecided, and tries whether commits succeed again, so that the exporter is ready without a post.
    private func retry(_ book: inout Book) {
        book.isRetrying = false
        lookAtClocks(&book)
        guard !book.isClosed, mailbox.withLock({ $0.trouble != nil }) else { return }
        if mailbox.withLock({ $0.isBlocked }) {
            switch whileTheDiskWorks(&book, { $0.settle() }) {
            case .committed:
                if let step = book.undecided {
                    merge(step, into: &book.state)
                    observer.committed(records: 0, overflowRecords: 0, in: .zero)
                    reportShortWindow(&book)
                }
            case .refused: break
            case .undecided(let error):
                failed(error, blocks: true, &book)
                return
            }
            book.undecided = nil
        }
        probe(&book)
    }

    private func probe(_ book: inout Book) {
        switch whileTheDiskWorks(&book, { $0.probe() }) {
        case .committed: recovered()
        case .refused(let error): failed(error, blocks: false, &book)
        // Nothing hangs on it: a probe changes nothing.
        case .undecided(let error): failed(error, blocks: true, &book)
        }
    }

    private func fold(
        _ events: [(index: Int, event: Event)], into delta: inout Delta, onto state: LedgerState, now: Instant
    ) -> Result<Outcome, LedgerRefusal> {
        guard delta.hasRoomForStarts(of: events, onto: state, now: now) else {
            return .failure(.tooManyOpenCalls)
        }
        var outcome = Outcome()
        for placed in events {
            do throws(RecordRejection) {
                switch try delta.fold(placed.event, onto: state, now: now) {
                case .accepted:
                    outcome.accepted += 1
                    if case .end(let record) = placed.event { outcome.costSources[record.costSource] += 1 }
                case .duplicate: outcome.duplicates += 1
                }
            } catch {
                outcome.rejections.append(index: placed.index, error)
            }
        }
        return .success(outcome)
    }

    private func reportShortWindow(_ book: inout Book) {
        guard !book.saysThatWindowIsShort else { return }
        let window = book.state.recentIDs.effectiveWindow(now: book.now)
        guard window < book.state.recentIDs.window else { return }
        book.saysThatWindowIsShort = true
        observer.windowShortened(to: window, maxIDs: book.state.recentIDs.maxIDs)
    }
}
