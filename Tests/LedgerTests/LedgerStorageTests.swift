import Concurrency
import Dispatch
import Model
import Testing

@testable import Ledger
@testable import Store

/// The promises of a ledger, with a disk that fails.
@Suite("A ledger") struct LedgerStorageTests {
    static let labels = SeriesLabels(
        agentName: LabelValue("agent"), provider: LabelValue("provider"), model: LabelValue("model"))
    static let now = Instant(unixMilliseconds: 1_700_000_000_000)

    /// The ledger's reports of its work.
    final class Notes: LedgerObserver {
        let lines = Locked<[String]>([])

        func committed(records: Int, overflowRecords: Int, in duration: Duration) {
            lines.withLock { $0.append("committed \(records)") }
        }
        func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool) {
            lines.withLock { $0.append("\(isNew ? "" : "again ")\(isUndecided ? "undecided" : "refused"): \(error)") }
        }
        func recovered() { lines.withLock { $0.append("recovered") } }
        func checkpointFailed(_ error: StoreError) { lines.withLock { $0.append("checkpoint: \(error)") } }
        func budgetStarted(_ budget: Budget, before: Budget?) {
            let changes = before.map { " again: \(budget.changes(from: $0).joined(separator: ", "))" } ?? ""
            lines.withLock { $0.append("budget \(budget.name) starts\(changes)") }
        }
        func limitReached(maxSeries: Int) { lines.withLock { $0.append("limit") } }
        func windowShortened(to window: Duration, maxIDs: Int) { lines.withLock { $0.append("window") } }
    }

    let notes = Notes()
    /// That has passed.
    let time = Locked(Duration.zero)
    let storage: ScriptedStorage
    let ledger: Ledger

    /// The lead of the time of day over `time`.
    let ahead = Locked(Duration.zero)

    /// A ledger that retries only when a test waits for it.
    init() {
        self.init(retryInterval: .seconds(3600))
    }

    init(
        waitingBytesLimit: Int = 1 << 20, patience: Duration = .seconds(3600), retryInterval: Duration
    ) {
        let empty = LedgerState(
            registry: Registry(maxSeries: 10_000), recentIDs: RecentIDs(window: .seconds(60), maxIDs: 100_000))
        storage = ScriptedStorage(empty)
        ledger = Ledger(
            state: empty, storage: storage,
            settings: Ledger.Settings(
                lease: .seconds(30), waitingBytesLimit: waitingBytesLimit, patience: patience,
                retryInterval: retryInterval),
            clock: { [time] in Self.now.adding(time.withLock { $0 }) },
            timeOfDay: { [time, ahead] in Self.now.adding(time.withLock { $0 } + ahead.withLock { $0 }) },
            observer: notes)
    }

    static func end(_ number: Int) -> Event {
        .end(
            CallRecord(
                labels: labels, usage: Usage(input: 1 << Int64(number % 40)),
                id: RecordID(call: Digest(bits: UInt128(number)), content: 7)))
    }

    static func start(_ number: Int) -> Event {
        .start(
            CallStart(agentName: labels.agentName, id: RecordID(call: Digest(bits: UInt128(number)), content: 0)))
    }

    func submit(_ events: Event...) async -> Result<Outcome, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.submit(events.enumerated().map { ($0.offset, $0.element) }) { continuation.resume(returning: $0) }
        }
    }

    func snapshot() async -> LedgerSnapshot {
        await withCheckedContinuation { continuation in ledger.snapshot { continuation.resume(returning: $0) } }
    }

    func reset() async -> Result<Void, LedgerRefusal> {
        await withCheckedContinuation { continuation in ledger.reset { continuation.resume(returning: $0) } }
    }

    func forget() async -> Result<ForgottenTotals, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.forget(SeriesSelection(agentName: Self.labels.agentName)) { continuation.resume(returning: $0) }
        }
    }

    func configure(_ budgets: [Budget], adopted: Locked<Int>) async -> Result<Void, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.configure(budgets) {
                adopted.withLock { $0 += 1 }
            } reply: {
                continuation.resume(returning: $0)
            }
        }
    }

    func budget(_ name: String, _ period: BudgetPeriod = .hour) -> Budget {
        Budget(name: LabelValue(name), limit: Money(picoUSD: 10) ?? .zero, period: period)
    }

    func spend(_ picoUSD: Int128) async {
        _ = await submit(.end(CallRecord(labels: Self.labels, cost: Money(picoUSD: picoUSD))))
    }

    /// The spending that a snapshot shows.
    func spent() async -> [String] {
        await snapshot().budgets.map { "\($0.budget.name) \($0.spent.picoUSD)" }
    }

    /// Tokens and active calls: the tokens tell which records are counted, as each has a bit of its own.
    struct Shown: Equatable, CustomStringConvertible {
        var tokens: Int64 = 0
        var active: Int64 = 0
        var description: String { "tokens \(String(tokens, radix: 2)), active \(active)" }

        init(_ numbers: Int..., active: Int64 = 0) {
            tokens = numbers.reduce(0) { $0 + 1 << Int64($1) }
            self.active = active
        }

        init(_ totals: Snapshot) {
            tokens = totals.calls.reduce(0) { $0 + $1.totals.tokens }
            active = totals.agents.reduce(0) { $0 + $1.activeCalls }
        }
    }

    func shown() async -> Shown { Shown(await snapshot().totals) }

    /// Expects that what is shown is what is durable.
    func expectShown(_ expected: Shown, sourceLocation: SourceLocation = #_sourceLocation) async {
        #expect(await shown() == expected, sourceLocation: sourceLocation)
        #expect(Shown(storage.durable.registry.snapshot) == expected, sourceLocation: sourceLocation)
    }

    func accepted(_ result: Result<Outcome, LedgerRefusal>) -> Int? {
        if case .success(let outcome) = result { outcome.accepted } else { nil }
    }

    func duplicates(_ result: Result<Outcome, LedgerRefusal>) -> Int? {
        if case .success(let outcome) = result { outcome.duplicates } else { nil }
    }

    func refusal<Success>(_ result: Result<Success, LedgerRefusal>) -> LedgerRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    /// Waits until `condition` holds; a ledger that never comes there fails the test.
    ///
    /// Blocks no thread: those of Swift's tasks are few, and the other tests need them.
    func eventually(
        sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
    ) async throws {
        // Long: the tests share the few threads of Swift's tasks, and a machine may be slow.
        let deadline = ContinuousClock.now + .seconds(300)
        while !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("waited in vain", sourceLocation: sourceLocation)
                return
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }
}
