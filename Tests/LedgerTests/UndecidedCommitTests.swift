import Model
import Testing

@testable import Ledger

extension LedgerStorageTests {
    @Test(
        "settles what it could not decide: shown once if it is in, and not at all if it is not",
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
        #expect(tests.ledger.refusal(for: 0) == .storageFailed("still no answer"))
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
                        // As a client does it: again and again, until it has an answer.
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
}
