import Concurrency
import Dispatch
import Model
import Testing

@testable import Ledger

extension LedgerStorageTests {
    @Test("answers many small posts behind a huge one, all of them, with the right totals")
    func manyBehindOne() async throws {
        let huge = (0..<40_000).map { (index: $0, event: Event.end(CallRecord(labels: Self.labels))) }
        let disk = DispatchSemaphore(value: 0)
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
        #expect(ledger.refusal(for: 0) == .closed)
        #expect(ledger.obstacle != nil)
        await expectShown(Shown(0, 1))
        #expect(storage.calls == ["commit", "commit", "close"])
    }

    @Test("does not wait for a disk that does not answer longer than it may when it closes")
    func closeIsBounded() async throws {
        let disk = DispatchSemaphore(value: 0)
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
