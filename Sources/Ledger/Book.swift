import Concurrency
import Model
import Store

/// The state and its storage, which only the queue touches.
///
/// A batch is prepared on the state, committed, and only then adopted and answered.
struct Book {
    var state: LedgerState
    let storage: any Storage
    let mailbox: Locked<Mailbox>
    let settings: Ledger.Settings
    let observer: any LedgerObserver
    let clock: Ledger.Clock
    let timeOfDay: Ledger.Clock
    var moment = Moment(Instant(unixMilliseconds: 0))
    /// Scrapes of the present batch.
    var held: [Mailbox.Scrape] = []
    /// The step of the undecided commit.
    var undecided: Step?
    /// Why commits fail, and whether an undecided one keeps all others from being tried; the mailbox has a copy.
    var trouble: StoreError?
    var isBlocked = false
    /// Whether the ledger has to schedule a retry.
    var needsRetry = false
    var isRetrying = false
    var isClosed = false
    private var saysThatWindowIsShort = false
    private var saysThatLimitIsReached = false

    init(
        state: LedgerState, storage: any Storage, mailbox: Locked<Mailbox>, settings: Ledger.Settings,
        observer: any LedgerObserver, clock: @escaping Ledger.Clock, timeOfDay: @escaping Ledger.Clock
    ) {
        self.state = state
        self.storage = storage
        self.mailbox = mailbox
        self.settings = settings
        self.observer = observer
        self.clock = clock
        self.timeOfDay = timeOfDay
    }

    mutating func processAll() {
        while processNext() {}
    }

    /// Takes and processes one batch.
    ///
    /// - Returns: whether there is more to do; `isScheduled` then stays set.
    mutating func processNext() -> Bool {
        let (requests, scrapes) = mailbox.withLock { ($0.takeRequests(), $0.scrapes.taken()) }
        for case .pulse(let alive) in requests { alive() }
        if !requests.allSatisfy(\.isPulse) || !scrapes.isEmpty {
            process(requests, scrapes)
            tidy()
        }
        return mailbox.withLock { mailbox in
            mailbox.isScheduled = !mailbox.isEmpty
            return mailbox.isScheduled
        }
    }

    mutating func readClocks() {
        // Ids and leases must not grow younger.
        moment = Moment(steady: max(moment.steady, clock()), timeOfDay: timeOfDay())
    }

    private mutating func process(_ requests: [Request], _ scrapes: [Mailbox.Scrape]) {
        readClocks()
        held = scrapes
        var batch = Batch(onto: state, at: moment)
        batch.expireCalls(begunBefore: moment.steady.adding(.zero - settings.lease), onto: state)
        // Scrapes do not wait for the disk, unless a lease ended: they must show that.
        if storage.isDurable && batch.isEmpty { answerScrapes() }
        let submissions = requests.compactMap { request in
            if case .submission(let submission) = request { submission } else { nil }
        }
        let isLong = Mailbox.isLong(requests)
        if isLong { showState(isAtDisk: false) }
        let outcomes = submissions.map { prepare($0, in: &batch) }
        batch.expireExcessCalls(onto: state)
        if isLong { hideState() }
        let refusal = batch.isEmpty ? nil : commit(batch, records: outcomes.reduce(0) { $0 + $1.accepted })
        // Nothing of it is stored. An undecided batch would be adopted onto what it was not folded onto.
        if batch.isEmpty, undecided == nil { state.adoptRecentCalls(of: batch) }
        answer(submissions, outcomes, refusal)
        for request in requests { change(request) }
        answerScrapes()
    }

    // MARK: Prepare

    private func prepare(_ submission: Submission, in batch: inout Batch) -> Outcome {
        var outcome = Outcome()
        var reports: [(index: Int, record: CallRecord, report: CallReport)] = []
        for placed in submission.events {
            if case .end(let record) = placed.event, let report = record.report {
                reports.append((placed.index, record, report))
                continue
            }
            do throws(RecordRejection) {
                switch try batch.fold(placed.event, from: submission.sender, onto: state) {
                case .accepted:
                    outcome.accepted += 1
                    if case .end(let record) = placed.event { outcome.costSources[record.costSource] += 1 }
                case .duplicate: outcome.duplicates += 1
                // Counted where they were taken out.
                case .uncounted: break
                }
            } catch {
                outcome.rejections.append(index: placed.index, of: placed.event.agentName, error.code) { error }
            }
        }
        if reports.isEmpty && submission.links.isEmpty { return outcome }
        let folded = batch.fold(reports.map { ($0.record, $0.report) }, links: submission.links, onto: state)
        outcome.accepted += folded.calls
        for (placed, result) in zip(reports, folded.outcomes) {
            switch result {
            case .accepted: outcome.costSources[placed.record.costSource] += 1
            case .duplicate: outcome.duplicates += 1
            case .merged(let report): outcome.merged.append(report)
            case .rejected(let error):
                outcome.rejections.append(
                    index: placed.index, of: placed.record.labels.agentName, error.code
                ) { error }
            }
        }
        return outcome
    }

    // MARK: Commit

    /// - Returns: `nil` once the batch is durable and adopted.
    private mutating func commit(_ batch: Batch, records: Int) -> LedgerRefusal? {
        let began = ContinuousClock.now
        if let refusal = perform(.batch(batch)) { return refusal }
        observer.committed(records: records, overflowRecords: batch.overflowRecords, in: .now - began)
        reportShortWindow()
        if batch.overflowRecords > 0, !saysThatLimitIsReached {
            saysThatLimitIsReached = true
            observer.limitReached(maxSeries: state.registry.maxSeries)
        }
        return nil
    }

    mutating func reportShortWindow() {
        guard !saysThatWindowIsShort else { return }
        let window = state.recentIDs.effectiveWindow(now: moment.steady)
        guard window < state.recentIDs.window else { return }
        saysThatWindowIsShort = true
        observer.windowShortened(to: window, maxIDs: state.recentIDs.maxIDs)
    }

    // MARK: Answer

    private mutating func answer(
        _ submissions: [Submission], _ outcomes: [Outcome], _ refusal: LedgerRefusal?
    ) {
        guard !submissions.isEmpty else { return }
        // Before answering: an answered client may send again at once.
        mailbox.withLock { mailbox in
            for submission in submissions { mailbox.waiting.remove(submission.cost, of: submission.client) }
        }
        let observer = observer
        observer.answering {
            for (submission, outcome) in zip(submissions, outcomes) {
                guard let refusal else {
                    submission.reply(.success(outcome))
                    continue
                }
                // A submission of duplicates alone needs no commit, so its answer stands although the commit failed.
                var own = Batch(onto: state, at: moment)
                let alone = prepare(submission, in: &own)
                if own.isEmpty, undecided == nil { state.adoptRecentCalls(of: own) }
                submission.reply(own.isEmpty ? .success(alone) : .failure(refusal))
            }
        }
    }

    private mutating func answerScrapes() {
        let scrapes = held.taken()
        guard !scrapes.isEmpty else { return }
        let snapshot = LedgerSnapshot(state, at: moment)
        for reply in scrapes { reply(snapshot) }
    }

    // MARK: Changes of the whole state

    private mutating func change(_ request: Request) {
        switch request {
        case .submission, .pulse: break
        case .reset(let clearsBudgets, let reply):
            var changed = state
            changed.reset(clearsBudgets: clearsBudgets, now: moment.timeOfDay)
            reply(replace(with: changed))
        case .configure(let budgets, let adopt, let reply):
            let before = state.budgets
            var changed = state
            changed.configure(budgets, now: moment.timeOfDay)
            // The same budgets need no disk, unless an undecided change would replace them later.
            if undecided == nil, Array(changed.budgets.elements) == Array(state.budgets.elements) {
                adopt()
                reply(.success(()))
            } else {
                let result = replace(with: changed, adopt: adopt)
                if case .success = result { reportStarted(changed.budgets, before: before) }
                reply(result)
            }
        case .forget(let selection, let reply):
            var changed = state
            let forgotten = changed.forget(selection)
            reply(forgotten.isEmpty ? .success(forgotten) : replace(with: changed).map { forgotten })
        }
    }

    private func reportStarted(_ budgets: Table<BudgetAccount>, before: Table<BudgetAccount>) {
        let numbers = Set(before.elements.map(\.number))
        for account in budgets.elements where !numbers.contains(account.number) {
            observer.budgetStarted(account.budget, before: before[account.budget.name]?.budget)
        }
    }

    private mutating func replace(
        with changed: LedgerState, adopt: @escaping @Sendable () -> Void = {}
    ) -> Result<Void, LedgerRefusal> {
        let began = ContinuousClock.now
        if let refusal = perform(.state(changed, adopt: adopt)) { return .failure(refusal) }
        observer.committed(records: 0, overflowRecords: 0, in: .now - began)
        return .success(())
    }
}
