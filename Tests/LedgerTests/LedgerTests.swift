import Concurrency
import Model
import Store
import Testing

@testable import Ledger

@Suite("Ledger") struct LedgerTests {
    private static let labels = SeriesLabels(
        agentName: LabelValue("agent"), provider: LabelValue("provider"), model: LabelValue("model"))

    private final class Watch: Sendable {
        private let milliseconds = Locked<Int64>(1_000_000)

        var now: Instant { Instant(unixMilliseconds: milliseconds.withLock { $0 }) }

        func advance(by duration: Duration) {
            milliseconds.withLock { $0 += duration.wholeMilliseconds }
        }
    }

    private final class Notes: LedgerObserver {
        let shortened = Locked<[Duration]>([])
        let commits = Locked(0)

        func committed(records: Int, overflowRecords: Int, in duration: Duration) { commits.withLock { $0 += 1 } }

        func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool) {}

        func recovered() {}

        func checkpointFailed(_ error: StoreError) {}

        func budgetStarted(_ budget: Budget, before: Budget?) {}

        func limitReached(maxSeries: Int) {}

        func windowShortened(to window: Duration, maxIDs: Int) { shortened.withLock { $0.append(window) } }
    }

    private let watch = Watch()
    private let notes = Notes()
    private let ledger: Ledger

    init() {
        ledger = Ledger(
            state: LedgerState(
                registry: Registry(bounds: .standard, maxSeries: 100),
                recentIDs: RecentIDs(window: .seconds(60), maxIDs: 10)),
            storage: MemoryStorage(), settings: Ledger.Settings(lease: .seconds(30)), clock: { [watch] in watch.now },
            timeOfDay: { [watch] in watch.now },
            observer: notes)
    }

    private func submit(_ events: [Event]) async -> Result<Outcome, LedgerRefusal> {
        await withCheckedContinuation { continuation in
            ledger.submit(events.enumerated().map { ($0.offset, $0.element) }) { continuation.resume(returning: $0) }
        }
    }

    private func snapshot() async -> LedgerSnapshot {
        await withCheckedContinuation { continuation in ledger.snapshot { continuation.resume(returning: $0) } }
    }

    private static func start(_ number: UInt128) -> Event {
        .start(CallStart(agentName: labels.agentName, id: RecordID(call: Digest(bits: number), content: 0)))
    }

    private static func end(_ number: UInt128) -> Event {
        .end(CallRecord(labels: labels, id: RecordID(call: Digest(bits: number), content: 7)))
    }

    @Test("an answered record is in the next snapshot, whatever other clients post")
    func acknowledgedIsVisible() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var before: Int64 = 0
                    for _ in 0..<200 {
                        let outcome = try await submit([.end(CallRecord(labels: Self.labels))]).get()
                        #expect(outcome.accepted == 1)
                        let calls = await snapshot().totals.calls[0].totals.calls.total
                        #expect(calls > before)
                        before = calls
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(await snapshot().totals.calls[0].totals.calls.total == 1600)
    }

    @Test("a lease ends by the clock alone, without another record")
    func leaseEnds() async throws {
        _ = try await submit([Self.start(1), Self.start(2), Self.end(2)]).get()
        #expect(await snapshot().totals.agents[0].activeCalls == 1)
        watch.advance(by: .seconds(31))
        let later = await snapshot()
        #expect(later.totals.agents[0].activeCalls == 0)
        #expect(later.totals.agents[0].expiredCalls == 1)
        #expect(later.openCalls == 0)
        // The end after the lease counts the call and lowers nothing.
        #expect(try await submit([Self.end(1)]).get().accepted == 1)
        #expect(await snapshot().totals.agents[0].activeCalls == 0)
    }

    @Test("a clock that steps back does not bring an id back to life or end its time early")
    func clockStepsBack() async throws {
        _ = try await submit([Self.end(1)]).get()
        watch.advance(by: .seconds(-3600))
        #expect(try await submit([Self.end(1)]).get().duplicates == 1)
    }

    @Test("a window that --dedup.max-ids shortens is reported once")
    func shortWindow() async throws {
        for number in 1...30 {
            watch.advance(by: .seconds(1))
            _ = try await submit([Self.end(UInt128(number))]).get()
        }
        #expect(notes.shortened.withLock { $0 } == [.seconds(10)])
        #expect(await snapshot().idWindow == .seconds(10))
        #expect(await snapshot().rememberedIDs == 10)
        // Twenty ids were pushed out; the first of them counts again.
        #expect(try await submit([Self.end(1)]).get().accepted == 1)
        #expect(try await submit([Self.end(30)]).get().duplicates == 1)
    }
}
