import Concurrency
import Model
import Testing

@testable import Ledger

extension LedgerStorageTests {
    @Test("that cannot commit refuses, shows nothing, and takes the same records later", arguments: [true, false])
    func refused(isFull: Bool) async {
        #expect(accepted(await submit(Self.end(0), Self.start(90))) == 1 + 1)
        storage.script(isFull ? .full : .failed, isFull ? .full : .failed)
        let expected: LedgerRefusal = isFull ? .storageFull("no space") : .storageFailed("no luck")
        #expect(refusal(await submit(Self.end(1), Self.start(91), Self.end(0), Self.end(90))) == expected)
        #expect(ledger.obstacle == (isFull ? "no space" : "no luck"))
        #expect(!ledger.isUnsettled)
        // Others are not refused for it: they are tried.
        #expect(ledger.refusal(for: 0) == nil)
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

    @Test("recovers without a post after two failures in one batch")
    func recoversFromTwoFailures() async throws {
        let tests = Self(retryInterval: .milliseconds(5))
        tests.storage.script(nil, .failed, .failed)
        let answers = Locked<[String]>([])
        // On the ledger's queue: the requests made here are one batch.
        tests.ledger.submit([(0, Self.end(0))]) { [tests] _ in
            tests.ledger.submit([(0, Self.end(1))]) { answer in
                answers.withLock { $0.append("post \(tests.refusal(answer).map { "\($0)" } ?? "taken")") }
            }
            tests.ledger.reset { answer in
                answers.withLock { $0.append("reset \(tests.refusal(answer).map { "\($0)" } ?? "taken")") }
            }
        }
        try await tests.eventually { answers.withLock { $0.count == 2 } }
        #expect(
            answers.withLock { $0 } == [
                "post storageFailed(\"no luck\")", "reset storageFailed(\"no luck\")",
            ])
        try await tests.eventually { tests.ledger.obstacle == nil }
        #expect(tests.storage.calls == ["commit", "commit", "replace", "probe"])
        await tests.expectShown(Shown(0))
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
}
