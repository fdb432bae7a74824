import Concurrency
import Model
import Testing

@testable import Ledger

extension LedgerStorageTests {
    @Test("keeps its budgets if a change of them is refused, and takes the change when it is tried again")
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

    @Test("begins windows by the time of day, also when the clock is set")
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
}
