import Concurrency
import Dispatch
import Model
import Testing

@testable import Ledger

extension LedgerStorageTests {
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

        // Not at the disk: a slow reply holds the queue.
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

    @Test("shows the state before while a commit waits for the disk")
    func snapshotsDoNotWait() async throws {
        #expect(accepted(await submit(Self.end(0))) == 1)
        let disk = DispatchSemaphore(value: 0)
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
        // Also if an expectation ends the test early: a ledger that waits would never end.
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

    @Test("refuses at once what exceeds the limit of waiting bytes, and takes it once there is room")
    func overload() async throws {
        let tests = Self(waitingBytesLimit: 10_000, retryInterval: .seconds(3600))
        let disk = DispatchSemaphore(value: 0)
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
        #expect(tests.ledger.refusal(for: 0) == .overloaded)
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

    @Test(
        "refuses a post that waits too long for the disk, as none of its records was tried, and goes on with the rest")
    func patience() async throws {
        let tests = Self(patience: .seconds(3), retryInterval: .seconds(3600))
        let disk = DispatchSemaphore(value: 0)
        // Also if an expectation ends the test early: a ledger that waits would never end.
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
        // Long before the disk answers; a machine may be slow.
        #expect(try #require(waited.withLock { $0 }) < .seconds(60))
        #expect(tests.ledger.obstacle != nil)
        #expect(!tests.ledger.isUnsettled)
        // From then on at once.
        guard case .failure(.storageFailed) = await tests.submit(Self.end(2)) else {
            Issue.record("taken by a disk that does not answer")
            return
        }
        #expect(await tests.shown() == Shown())
        disk.signal()
        // The post of the batch gets its outcome.
        #expect(tests.accepted(await first) == 1)
        try await tests.eventually { tests.ledger.obstacle == nil && tests.ledger.waitingBytes == 0 }
        await tests.expectShown(Shown(0))
        #expect(tests.accepted(await tests.submit(Self.end(1), Self.end(2))) == 2)
        await tests.expectShown(Shown(0, 1, 2))
    }
}
