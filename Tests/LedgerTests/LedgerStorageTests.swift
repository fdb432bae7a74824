import Concurrency
import Dispatch
import Model
import Testing

@testable import Ledger
@testable import Store

/// What a ledger promises whatever its disk does.
@Suite("A ledger") struct LedgerStorageTests {
    private static let labels = SeriesLabels(
        agentName: LabelValue("agent"), provider: LabelValue("provider"), model: LabelValue("model"))
    private static let now = Instant(unixMilliseconds: 1_700_000_000_000)

    /// What the ledger told of its work.
    private final class Notes: LedgerObserver {
        let lines = Locked<[String]>([])

        func committed(records: Int, overflowRecords: Int, in duration: Duration) {
            lines.withLock { $0.append("committed \(records)") }
        }
        func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool) {
            lines.withLock { $0.append("\(isNew ? "" : "again ")\(isUndecided ? "undecided" : "refused"): \(error)") }
        }
        func recovered() { lines.withLock { $0.append("recovered") } }
        func checkpointFailed(_ error: StoreError) { lines.withLock { $0.append("checkpoint: \(error)") } }
        func limitReached(maxSeries: Int) { lines.withLock { $0.append("limit") } }
        func windowShortened(to window: Duration, maxIDs: Int) { lines.withLock { $0.append("window") } }
    }

    private let notes = Notes()
    /// That has passed.
    private let time = Locked(Duration.zero)
    private let storage: ScriptedStorage
    private let ledger: Ledger

    /// What the time of day is ahead of `time`.
    private let ahead = Locked(Duration.zero)

    /// A ledger that retries only when a test waits for it.
    init() {
        self.init(retryInterval: .seconds(3600))
    }

    private init(
        waitingBytesLimit: Int = 1 << 20, patience: Duration = .seconds(3600), retryInterval: Duration
    ) {
        let empty = LedgerState(registry: Registry(), recentIDs: RecentIDs(window: .seconds(60), maxIDs: 100_000))
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

    private static func end(_ number: Int) -> Event {
        .end(
            CallRecord(
                labels: labels, usage: Usage(input: 1 << Int64(number % 40)),
                id: RecordID(call: Digest(bits: UInt128(number)), content: 7)))
    }

    private static func start(_ number: Int) -> Event {
        .start(
            CallStart(agentName: labels.agentName, id: RecordID(call: Digest(bits: UInt128(number)), content: 0)))
    }

    private func submit(_ events: Event...) async -> Result<Outcome, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.submit(events.enumerated().map { ($0.offset, $0.element) }) { continuation.resume(returning: $0) }
        }
    }

    @Test("gives a sign of life for as long as the disk may take, and none while it hangs")
    func signsOfLife() async throws {
        let signs = Locked(0)
        func ask(diskLimit: Duration) {
            ledger.whenAlive(diskLimit: diskLimit) { signs.withLock { $0 += 1 } }
        }
        func arrived(_ count: Int) async throws {
            for _ in 0..<2000 where signs.withLock({ $0 }) < count { try await Task.sleep(for: .milliseconds(1)) }
            #expect(signs.withLock { $0 } == count)
        }
        ask(diskLimit: .zero)
        try await arrived(1)

        let disk = DispatchSemaphore(value: 0)
        storage.script(.blocked(disk))
        ledger.submit([(0, Self.end(1))]) { _ in }
        while !storage.isBlocking { try await Task.sleep(for: .milliseconds(1)) }
        ask(diskLimit: .seconds(3600))
        #expect(signs.withLock { $0 } == 2)
        ask(diskLimit: .zero)
        #expect(signs.withLock { $0 } == 2)
        disk.signal()
        try await arrived(3)

        // Not at the disk: whoever takes his answer holds the queue.
        let reader = DispatchSemaphore(value: 0)
        let isHeld = Locked(false)
        ledger.submit([(0, Self.end(2))]) { _ in
            isHeld.withLock { $0 = true }
            reader.wait()
        }
        while !isHeld.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
        ask(diskLimit: .seconds(3600))
        #expect(signs.withLock { $0 } == 3)
        reader.signal()
        try await arrived(4)
    }

    private func snapshot() async -> LedgerSnapshot {
        await withCheckedContinuation { continuation in ledger.snapshot { continuation.resume(returning: $0) } }
    }

    private func reset() async -> Result<Void, LedgerRefusal> {
        await withCheckedContinuation { continuation in ledger.reset { continuation.resume(returning: $0) } }
    }

    private func forget() async -> Result<ForgottenTotals, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.forget(SeriesSelection(agentName: Self.labels.agentName)) { continuation.resume(returning: $0) }
        }
    }

    private func configure(_ budgets: [Budget], adopted: Locked<Int>) async -> Result<Void, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.configure(budgets) {
                adopted.withLock { $0 += 1 }
            } reply: {
                continuation.resume(returning: $0)
            }
        }
    }

    private func budget(_ name: String, _ period: BudgetPeriod = .hour) -> Budget {
        Budget(name: LabelValue(name), limit: Money(picoUSD: 10) ?? .zero, period: period)
    }

    private func spend(_ picoUSD: Int128) async {
        _ = await submit(.end(CallRecord(labels: Self.labels, cost: Money(picoUSD: picoUSD))))
    }

    /// What the budgets show, and what of it is on disk.
    private func spent() async -> [String] {
        await snapshot().budgets.map { "\($0.budget.name) \($0.spent.picoUSD)" }
    }

    /// Tokens and active calls: the tokens tell which records are counted, as each has a bit of its own.
    private struct Shown: Equatable, CustomStringConvertible {
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

    private func shown() async -> Shown { Shown(await snapshot().totals) }

    /// Expects that what is shown is what is durable.
    private func expectShown(_ expected: Shown, sourceLocation: SourceLocation = #_sourceLocation) async {
        #expect(await shown() == expected, sourceLocation: sourceLocation)
        #expect(Shown(storage.durable.registry.snapshot) == expected, sourceLocation: sourceLocation)
    }

    private func accepted(_ result: Result<Outcome, LedgerRefusal>) -> Int? {
        if case .success(let outcome) = result { outcome.accepted } else { nil }
    }

    private func duplicates(_ result: Result<Outcome, LedgerRefusal>) -> Int? {
        if case .success(let outcome) = result { outcome.duplicates } else { nil }
    }

    private func refusal<Success>(_ result: Result<Success, LedgerRefusal>) -> LedgerRefusal? {
        if case .failure(let refusal) = result { refusal } else { nil }
    }

    /// Waits until `condition` holds; a ledger that never comes there fails the test.
    ///
    /// Blocks no thread: those of Swift's tasks are few, and the other tests need them.
    private func eventually(
        sourceLocation: SourceLocation = #_sourceLocation, _ condition: () -> Bool
    ) async throws {
        // Long: all tests share the few threads of Swift's tasks, and one may wait for a minute for its turn.
        let deadline = ContinuousClock.now + .seconds(300)
        while !condition() {
            guard ContinuousClock.now < deadline else {
                Issue.record("waited in vain", sourceLocation: sourceLocation)
                return
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    // MARK: Refused commits

    @Test("that cannot commit refuses, shows nothing, and takes the same records later", arguments: [true, false])
    func refused(isFull: Bool) async {
        #expect(accepted(await submit(Self.end(0), Self.start(90))) == 1 + 1)
        storage.script(isFull ? .full : .failed, isFull ? .full : .failed)
        let expected: LedgerRefusal = isFull ? .storageFull("no space") : .storageFailed("no luck")
        #expect(refusal(await submit(Self.end(1), Self.start(91), Self.end(0), Self.end(90))) == expected)
        #expect(ledger.obstacle == (isFull ? "no space" : "no luck"))
        #expect(!ledger.isUnsettled)
        // Others are not refused for it: they are tried.
        #expect(ledger.refusal == nil)
        await expectShown(Shown(0, active: 1))
        #expect(refusal(await submit(Self.end(1))) == expected)
        // A retry of what is durable needs no commit.
        #expect(duplicates(await submit(Self.end(0))) == 1)
        #expect(accepted(await submit(Self.end(1), Self.start(91), Self.end(0), Self.end(90))) == 3)
        #expect(ledger.obstacle == nil)
        var tokens = Shown(0, 1, active: 1)
        tokens.tokens += 1 << (90 % 40)
        await expectShown(tokens)
        let reason = isFull ? "no space" : "no luck"
        #expect(
            notes.lines.withLock { $0 } == [
                "committed 2", "refused: \(reason)", "again refused: \(reason)", "recovered", "committed 3",
            ])
        #expect(storage.calls == ["commit", "commit", "commit", "commit"])
    }

    @Test("recovers without a post", arguments: [1, 3])
    func recoversByItself(failures: Int) async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        for _ in 0..<failures { tests.storage.script(.failed) }
        #expect(tests.refusal(await tests.submit(Self.end(1))) == .storageFailed("no luck"))
        try await tests.eventually { tests.ledger.obstacle == nil }
        #expect(tests.storage.calls == ["commit"] + Array(repeating: "probe", count: failures))
        #expect(tests.notes.lines.withLock { $0.last } == "recovered")
        await tests.expectShown(Shown())
        #expect(tests.accepted(await tests.submit(Self.end(1))) == 1)
    }

    @Test("that cannot reset or forget leaves all as it was")
    func refusedReplacement() async {
        #expect(accepted(await submit(Self.end(0), Self.start(90))) == 2)
        storage.script(.full, .failed)
        #expect(refusal(await reset()) == .storageFull("no space"))
        #expect(refusal(await forget()) == .storageFailed("no luck"))
        await expectShown(Shown(0, active: 1))
        #expect(duplicates(await submit(Self.end(0), Self.start(90))) == 2)
        // Nothing to forget needs no disk.
        let nothing = await withCheckedContinuation { continuation in
            ledger.forget(SeriesSelection(agentName: LabelValue("nobody"))) { continuation.resume(returning: $0) }
        }
        #expect(refusal(nothing) == nil)
        #expect(refusal(await forget()) == nil)
        await expectShown(Shown())
    }

    @Test("answers duplicates while the disk fails, also when a lease has ended, or others in the batch need the disk")
    func duplicatesNeedNoDisk() async throws {
        let tests = Self(retryInterval: .seconds(3600))
        #expect(tests.accepted(await tests.submit(Self.end(0), Self.start(90))) == 2)
        tests.time.withLock { $0 = .seconds(31) }
        tests.storage.script(.failed, .failed, .failed, .failed)
        #expect(tests.duplicates(await tests.submit(Self.end(0))) == 1)
        #expect(tests.refusal(await tests.submit(Self.end(1))) == .storageFailed("no luck"))
        // On the ledger's queue: what is sent there is one batch.
        let answers = Locked<[String]>([])
        tests.ledger.submit([(0, Self.end(2))]) { [tests] _ in
            for numbers in [[0], [3], [0, 3]] {
                tests.ledger.submit(numbers.map { ($0, Self.end($0)) }) { answer in
                    let text = tests.duplicates(answer).map { "\($0) duplicates" } ?? "refused"
                    answers.withLock { $0.append(text) }
                }
            }
        }
        try await tests.eventually { answers.withLock { $0.count == 3 } }
        #expect(answers.withLock { $0 } == ["1 duplicates", "refused", "refused"])
        #expect(tests.storage.durable.registry.snapshot.agents.map(\.activeCalls) == [1])
        #expect(tests.accepted(await tests.submit(Self.end(3))) == 1)
        #expect(tests.storage.durable.registry.snapshot.agents.map(\.activeCalls) == [0])
    }

    // MARK: Undecided commits

    @Test(
        "settles what it could not decide: shown once where it is in, and not at all where it is not",
        arguments: [true, false])
    func undecided(isIn: Bool) async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        #expect(tests.accepted(await tests.submit(Self.end(0), Self.start(90))) == 2)
        tests.storage.script(.undecided(isIn: isIn))
        tests.storage.settlesNothing(true)
        #expect(tests.refusal(await tests.submit(Self.end(1), Self.start(91), Self.end(2))) == .outcomeUnknown)
        #expect(tests.ledger.isUnsettled)
        try await tests.eventually { tests.storage.calls.count > 10 }
        #expect(tests.ledger.obstacle == "still no answer")
        #expect(tests.ledger.refusal == .storageFailed("still no answer"))
        #expect(tests.refusal(await tests.submit(Self.end(1))) == .storageFailed("still no answer"))
        #expect(tests.refusal(await tests.reset()) == .storageFailed("still no answer"))
        #expect(tests.refusal(await tests.forget()) == .storageFailed("still no answer"))
        #expect(await tests.shown() == Shown(0, active: 1))

        tests.storage.settlesNothing(false)
        try await tests.eventually { tests.ledger.obstacle == nil }
        #expect(!tests.ledger.isUnsettled)
        // Nothing was tried while it was undecided.
        #expect(tests.storage.calls.filter { $0 != "settle" } == ["commit", "commit", "probe"])
        await tests.expectShown(isIn ? Shown(0, 1, 2, active: 2) : Shown(0, active: 1))
        let retry = await tests.submit(Self.end(1), Self.start(91), Self.end(2))
        #expect(tests.duplicates(retry) == (isIn ? 3 : 0))
        #expect(tests.accepted(retry) == (isIn ? 0 : 3))
        await tests.expectShown(Shown(0, 1, 2, active: 2))
        #expect(tests.notes.lines.withLock { $0.filter { $0 == "recovered" } } == ["recovered"])
    }

    @Test("settles an undecided reset as it does a batch", arguments: [true, false])
    func undecidedReset(isIn: Bool) async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        #expect(tests.accepted(await tests.submit(Self.end(0), Self.start(90))) == 2)
        tests.storage.script(.undecided(isIn: isIn))
        #expect(tests.refusal(await tests.reset()) == .outcomeUnknown)
        try await tests.eventually { tests.ledger.obstacle == nil }
        await tests.expectShown(isIn ? Shown(active: 1) : Shown(0, active: 1))
        #expect(tests.duplicates(await tests.submit(Self.end(0), Self.start(90))) == 2)
    }

    // MARK: Budgets

    @Test("keeps its budgets where a change of them is refused, and takes the change when it is tried again")
    func configuringRefused() async throws {
        let adopted = Locked(0)
        storage.script(.full)
        #expect(refusal(await configure([budget("a")], adopted: adopted)) == .storageFull("no space"))
        #expect(await spent() == [])
        #expect(adopted.withLock { $0 } == 0)
        #expect(refusal(await configure([budget("a")], adopted: adopted)) == nil)
        #expect(adopted.withLock { $0 } == 1)
        #expect(await spent() == ["a 0"])
        // The same again needs no disk.
        storage.script(.full)
        #expect(refusal(await configure([budget("a")], adopted: adopted)) == nil)
        #expect(adopted.withLock { $0 } == 2)
        #expect(storage.calls == ["replace", "replace"])
    }

    @Test("takes an undecided change of its budgets whole or not at all, once it is settled", arguments: [true, false])
    func configuringUndecided(isIn: Bool) async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        let adopted = Locked(0)
        let other = Locked(0)
        #expect(tests.refusal(await tests.configure([tests.budget("a")], adopted: other)) == nil)
        tests.storage.script(.undecided(isIn: isIn))
        tests.storage.settlesNothing(true)
        #expect(tests.refusal(await tests.configure([tests.budget("b")], adopted: adopted)) == .outcomeUnknown)
        // Not even what is in force already: it would go before the undecided one, and be replaced by it.
        guard case .storageFailed? = tests.refusal(await tests.configure([tests.budget("a")], adopted: other)) else {
            Issue.record("adopted")
            return
        }
        #expect(await tests.spent() == ["a 0"])
        #expect(adopted.withLock { $0 } == 0)
        tests.storage.settlesNothing(false)
        try await tests.eventually { tests.ledger.obstacle == nil }
        #expect(await tests.spent() == [isIn ? "b 0" : "a 0"])
        #expect(adopted.withLock { $0 } == (isIn ? 1 : 0))
        #expect(other.withLock { $0 } == 1)
    }

    @Test("begins windows by the time of day, whatever becomes of the clock")
    func windows() async throws {
        // 40 minutes before the end of the hour, and 1 hour 40 minutes before that of the day.
        #expect(Self.now.unixMilliseconds % 86_400_000 == (22 * 60 + 13) * 60_000 + 20_000)
        #expect(refusal(await configure([budget("hour"), budget("day", .day)], adopted: Locked(0))) == nil)
        await spend(3)
        #expect(await spent() == ["hour 3", "day 3"])
        time.withLock { $0 = .seconds(46 * 60 + 40) - .milliseconds(1) }
        #expect(await spent() == ["hour 3", "day 3"])
        time.withLock { $0 += .milliseconds(1) }
        #expect(await spent() == ["hour 0", "day 3"])
        await spend(4)
        // Set back a little, it begins no window twice.
        ahead.withLock { $0 = .seconds(-2) }
        await spend(1)
        #expect(await spent() == ["hour 5", "day 8"])
        // Set back by a day, and right again.
        ahead.withLock { $0 = .seconds(-24 * 3600) }
        await spend(1)
        #expect(await spent() == ["hour 6", "day 9"])
        ahead.withLock { $0 = .zero }
        #expect(await spent() == ["hour 6", "day 9"])
        ahead.withLock { $0 = .seconds(24 * 3600) }
        #expect(await spent() == ["hour 0", "day 0"])
        #expect(storage.durable.budgets.elements.map(\.spent.picoUSD) == [6, 9])
    }

    @Test("may fail again after a settlement, and be undecided about a probe")
    func troubleUponTrouble() async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        tests.storage.script(
            .undecided(isIn: true), .full, .undecided(isIn: true), .undecided(isIn: false), .failed)
        #expect(tests.refusal(await tests.submit(Self.end(1))) == .outcomeUnknown)
        try await tests.eventually { tests.ledger.obstacle == nil }
        #expect(
            tests.storage.calls == [
                "commit", "settle", "probe", "probe", "settle", "probe", "settle", "probe", "probe",
            ])
        await tests.expectShown(Shown(1))
        #expect(tests.duplicates(await tests.submit(Self.end(1))) == 1)
    }

    @Test("counts each record once, whatever the disk does", arguments: 0..<10 as Range<UInt64>)
    func countsOnce(seed: UInt64) async throws {
        let tests = Self(retryInterval: .milliseconds(1))
        var state = seed
        func random(_ count: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % count
        }
        for _ in 0..<60 {
            switch random(5) {
            case 0: tests.storage.script(.full)
            case 1: tests.storage.script(.failed)
            case 2: tests.storage.script(.undecided(isIn: random(2) == 0, rounds: random(3)))
            default: break
            }
        }
        await withTaskGroup(of: Void.self) { group in
            for sender in 0..<4 {
                group.addTask {
                    for number in stride(from: sender, to: 40, by: 4) {
                        // As a client does it: again and again, until it is told.
                        while tests.refusal(await tests.submit(Self.end(number))) != nil {
                            try? await Task.sleep(for: .microseconds(200))
                        }
                    }
                }
            }
        }
        var all = Shown()
        all.tokens = 1 << 40 - 1
        await tests.expectShown(all)
    }

    // MARK: A disk that does not answer

    @Test("shows the state before while a commit waits for the disk")
    func snapshotsDoNotWait() async throws {
        #expect(accepted(await submit(Self.end(0))) == 1)
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        storage.script(.blocked(disk))
        async let posted = submit(Self.end(1))
        try await eventually { storage.isBlocking }
        for _ in 0..<100 { #expect(await shown() == Shown(0)) }
        disk.signal()
        #expect(accepted(await posted) == 1)
        await expectShown(Shown(0, 1))
    }

    @Test("does not let a scrape wait for the disk that came with the posts of a batch")
    func snapshotsOfABatchDoNotWait() async throws {
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        let scraped = Locked<Shown?>(nil)
        let isPosted = Locked(false)
        storage.script(nil, .blocked(disk))
        ledger.submit([(0, Self.end(0))]) { [ledger] _ in
            // On the ledger's queue: what is sent here is one batch.
            ledger.submit([(0, Self.end(1))]) { _ in isPosted.withLock { $0 = true } }
            ledger.snapshot { snapshot in scraped.withLock { $0 = Shown(snapshot.totals) } }
        }
        try await eventually { storage.isBlocking }
        try await eventually { scraped.withLock { $0 } == Shown(0) }
        disk.signal()
        try await eventually { isPosted.withLock { $0 } }
        await expectShown(Shown(0, 1))
    }

    @Test("refuses at once what is more than may wait, and counts what does not wait any longer")
    func overload() async throws {
        let tests = Self(waitingBytesLimit: 10_000, retryInterval: .seconds(3600))
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        tests.storage.script(.blocked(disk))
        async let first = tests.submit(Self.end(0))
        try await tests.eventually { tests.storage.isBlocking }
        let answers = Locked<[Int: Result<Outcome, LedgerRefusal>]>([:])
        func send(_ number: Int) {
            tests.ledger.submit([(0, Self.end(number))], bytes: 2000) { answer in
                answers.withLock { $0[number] = answer }
            }
        }
        for number in 1..<30 { send(number) }
        let refused = answers.withLock { $0 }
        #expect(!refused.isEmpty && refused.count < 29)
        #expect(refused.values.allSatisfy { tests.refusal($0) == .overloaded })
        #expect(tests.ledger.refusal == .overloaded)
        #expect(tests.ledger.waitingBytes >= 10_000)
        disk.signal()
        #expect(tests.accepted(await first) == 1)
        try await tests.eventually { answers.withLock { $0.count == 29 } }
        try await tests.eventually { tests.ledger.waitingBytes == 0 }
        for number in refused.keys { #expect(tests.accepted(await tests.submit(Self.end(number))) == 1) }
        var all = Shown()
        all.tokens = 1 << 30 - 1
        await tests.expectShown(all)
    }

    @Test("refuses who waits longer than it has patience, as nothing of his was tried, and goes on with the rest")
    func patience() async throws {
        let tests = Self(patience: .seconds(3), retryInterval: .seconds(3600))
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        tests.storage.script(.blocked(disk))
        async let first = tests.submit(Self.end(0))
        try await tests.eventually { tests.storage.isBlocking }
        #expect(tests.ledger.obstacle == nil)
        // The time of the answer, not that at which this task has its turn.
        let waited = Locked<Duration?>(nil)
        let before = ContinuousClock.now
        let waiting = await withCheckedContinuation { continuation in
            tests.ledger.submit([(0, Self.end(1))]) { answer in
                waited.withLock { $0 = .now - before }
                continuation.resume(returning: answer)
            }
        }
        guard case .failure(.storageFailed) = waiting else { throw tests.refusal(waiting) ?? .closed }
        #expect(try #require(waited.withLock { $0 }) < .seconds(5))
        #expect(tests.ledger.obstacle != nil)
        #expect(!tests.ledger.isUnsettled)
        // From then on at once.
        guard case .failure(.storageFailed) = await tests.submit(Self.end(2)) else {
            Issue.record("taken by a disk that does not answer")
            return
        }
        #expect(await tests.shown() == Shown())
        disk.signal()
        // Who was in the batch has his outcome.
        #expect(tests.accepted(await first) == 1)
        try await tests.eventually { tests.ledger.obstacle == nil && tests.ledger.waitingBytes == 0 }
        await tests.expectShown(Shown(0))
        #expect(tests.accepted(await tests.submit(Self.end(1), Self.end(2))) == 2)
        await tests.expectShown(Shown(0, 1, 2))
    }

    // MARK: Batches, and the end

    @Test("answers many small posts behind a huge one, all of them, with the right totals")
    func manyBehindOne() async throws {
        let huge = (0..<40_000).map { (index: $0, event: Event.end(CallRecord(labels: Self.labels))) }
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        let tests = Self(waitingBytesLimit: 1 << 30, retryInterval: .seconds(3600))
        tests.storage.script(.blocked(disk))
        async let first = tests.submit(Self.end(0))
        try await tests.eventually { tests.storage.isBlocking }
        let answers = Locked<[Int]>([])
        tests.ledger.submit(huge) { [tests] answer in
            answers.withLock { $0.append(tests.accepted(answer) ?? 0) }
        }
        for _ in 0..<20_000 {
            tests.ledger.submit([(0, .end(CallRecord(labels: Self.labels)))]) { [tests] answer in
                answers.withLock { $0.append(tests.accepted(answer) ?? 0) }
            }
        }
        disk.signal()
        #expect(tests.accepted(await first) == 1)
        try await tests.eventually { answers.withLock { $0.count == 20_001 } }
        // In the order in which they came.
        #expect(answers.withLock { $0 } == [40_000] + Array(repeating: 1, count: 20_000))
        #expect(await tests.snapshot().totals.calls[0].totals.calls.total == 60_001)
        // The first, the huge one, and what fits in two batches.
        #expect(tests.storage.calls == ["commit", "commit", "commit", "commit"])
        #expect(tests.ledger.waitingBytes == 0)
    }

    @Test("commits what waits before it closes, and takes nothing afterwards")
    func close() async throws {
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        storage.script(.blocked(disk))
        async let first = submit(Self.end(0))
        try await eventually { storage.isBlocking }
        async let second = submit(Self.end(1))
        try await eventually { ledger.waitingBytes >= 2 * 1024 }
        let isClosed = Locked(false)
        DispatchQueue.global().async { [ledger] in
            ledger.close(within: .seconds(20))
            isClosed.withLock { $0 = true }
        }
        disk.signal()
        #expect(accepted(await first) == 1)
        #expect(accepted(await second) == 1)
        try await eventually { isClosed.withLock { $0 } }
        #expect(storage.calls.last == "close")
        #expect(refusal(await submit(Self.end(2))) == .closed)
        #expect(refusal(await reset()) == .closed)
        #expect(refusal(await forget()) == .closed)
        #expect(ledger.refusal == .closed)
        #expect(ledger.obstacle != nil)
        await expectShown(Shown(0, 1))
        #expect(storage.calls == ["commit", "commit", "close"])
    }

    @Test("does not wait for a disk that does not answer longer than it may when it closes")
    func closeIsBounded() async throws {
        let disk = DispatchSemaphore(value: 0)
        // Also where an expectation ends the test early: a ledger that waits would wait for ever.
        defer { disk.signal() }
        storage.script(.blocked(disk))
        async let posted = submit(Self.end(0))
        try await eventually { storage.isBlocking }
        let before = ContinuousClock.now
        ledger.close(within: .milliseconds(50))
        #expect(ContinuousClock.now - before < .seconds(5))
        disk.signal()
        #expect(accepted(await posted) == 1)
    }

    @Test("leaves an undecided commit to the next start when it closes")
    func closeUndecided() async throws {
        storage.script(.undecided(isIn: true, rounds: 1_000_000))
        #expect(refusal(await submit(Self.end(0))) == .outcomeUnknown)
        ledger.close(within: .seconds(20))
        #expect(storage.calls == ["commit", "close"])
        #expect(await shown() == Shown())
    }
}
