import Testing

@testable import Model

@Suite("A budget") struct BudgetTests {
    /// 2024-02-29T23:59:59.999Z and the like.
    private static func time(_ year: Int, _ month: Int, _ day: Int, _ milliseconds: Int64 = 0) throws -> Instant {
        let date = try #require(CivilDate(year: year, month: month, day: day))
        return Instant(unixMilliseconds: Int64(date.daysSince1970) * 86_400_000 + milliseconds)
    }

    private static let lastMillisecond: Int64 = 86_399_999

    @Test("turns at the boundaries of UTC")
    func windows() throws {
        func window(_ period: BudgetPeriod, _ time: Instant) -> [Instant] {
            [period.start(of: time), period.end(of: time)]
        }
        for milliseconds in [0, 1, 3_599_999] as [Int64] {
            let hour = try Self.time(2024, 2, 29, 23 * 3_600_000)
            #expect(
                window(.hour, hour.adding(.milliseconds(milliseconds))) == [hour, try Self.time(2024, 3, 1)])
        }
        for milliseconds in [0, Self.lastMillisecond] {
            #expect(
                window(.day, try Self.time(2024, 2, 29, milliseconds))
                    == [try Self.time(2024, 2, 29), try Self.time(2024, 3, 1)])
            #expect(
                window(.month, try Self.time(2024, 2, 29, milliseconds))
                    == [try Self.time(2024, 2, 1), try Self.time(2024, 3, 1)])
            // 2100 is no leap year.
            #expect(
                window(.month, try Self.time(2100, 2, 28, milliseconds))
                    == [try Self.time(2100, 2, 1), try Self.time(2100, 3, 1)])
            #expect(
                window(.month, try Self.time(2026, 12, 31, milliseconds))
                    == [try Self.time(2026, 12, 1), try Self.time(2027, 1, 1)])
        }
        // 2026-11-23 is a Monday.
        for day in 23...29 {
            #expect(
                window(.week, try Self.time(2026, 11, day, Self.lastMillisecond))
                    == [try Self.time(2026, 11, 23), try Self.time(2026, 11, 30)])
        }
        #expect(window(.week, try Self.time(1970, 1, 4))[0] == Instant(unixMilliseconds: -3 * 86_400_000))
        #expect(BudgetPeriod.hour.start(of: Instant(unixMilliseconds: -1)) == Instant(unixMilliseconds: -3_600_000))
    }

    @Test("knows each day of eight centuries by its date")
    func dates() throws {
        var date = CivilDate(daysSince1970: -135_140)
        #expect(date == CivilDate(year: 1600, month: 1, day: 1))
        for days in (-135_140 + 1)..<157_054 {
            let next = CivilDate(daysSince1970: days)
            let follows =
                CivilDate(year: date.year, month: date.month, day: date.day + 1)
                ?? CivilDate(year: date.year, month: date.month + 1, day: 1)
                ?? CivilDate(year: date.year + 1, month: 1, day: 1)
            guard next == follows, next.daysSince1970 == days else {
                Issue.record("\(next) follows \(date)")
                return
            }
            date = next
        }
        #expect(date == CivilDate(year: 2399, month: 12, day: 31))
        for (year, month, day) in [
            (2023, 2, 29), (2100, 2, 29), (2024, 4, 31), (2024, 13, 1), (2024, 0, 1), (2024, 1, 0),
        ] {
            #expect(CivilDate(year: year, month: month, day: day) == nil)
        }
    }

    private static func usd(_ whole: Int128) -> Money { Money(picoUSD: whole * 1_000_000_000_000) ?? .zero }

    private static func call(_ agent: LabelValue, _ cost: Int128?, _ model: LabelValue = "m", id: UInt128? = nil)
        -> CallRecord
    {
        CallRecord(labels: SeriesLabels(agent, "p", model), cost: cost.map(usd), id: id.map { .example($0) })
    }

    private static let budgets = [
        Budget(name: "all", limit: usd(100), period: .month),
        Budget(name: "A", agentName: "A", limit: usd(5), period: .hour),
        Budget(name: "narrow", agentName: "A", provider: "p", model: "x", limit: usd(1), period: .day),
    ]

    private static func state(maxSeries: Int = 10_000) -> LedgerState {
        var state = LedgerState.example(maxSeries: maxSeries)
        state.configure(budgets, now: dawn)
        return state
    }

    private static func spent(_ state: LedgerState, at now: Instant = dawn) -> [String] {
        state.budgets.elements.map { account in
            let account = account.turned(to: now)
            return "\(account.budget.name) \(account.spent) \(account.unpricedCalls)\(account.isSpent ? " spent" : "")"
        }
    }

    @Test("counts what its calls cost, each once, by the names that were sent")
    func spending() throws {
        var state = Self.state(maxSeries: 1)
        state.take(
            Self.call("A", 2, id: 1), Self.call("A", 2, id: 1), Self.call("A", 3, "x"), Self.call("B", 7),
            Self.call("A", nil), Self.call("B", nil))
        // Folded into _other, but for the first; the budgets look at the names before.
        #expect(state.registry.calls.elements.map(\.labels.model) == ["m", "_other", "_other"])
        #expect(Self.spent(state) == ["all 12 2", "A 5 1 spent", "narrow 3 0 spent"])
        #expect(state.budgets[1].remainingPicoUSD == 0)
        #expect(state.budgets[2].remainingPicoUSD == -2_000_000_000_000)
        state.take(Self.call("A", 2, id: 1))
        #expect(Self.spent(state) == ["all 12 2", "A 5 1 spent", "narrow 3 0 spent"])
    }

    @Test("begins at 0 when its window turns, whether or not calls come")
    func turning() throws {
        var state = Self.state()
        state.take(Self.call("A", 4))
        let end = BudgetPeriod.hour.end(of: dawn)
        #expect(Self.spent(state, at: end.adding(.milliseconds(-1))) == ["all 4 0", "A 4 0", "narrow 0 0"])
        #expect(Self.spent(state, at: end) == ["all 4 0", "A 0 0", "narrow 0 0"])
        state.take(Self.call("A", 1), Self.call("A", nil), now: end.adding(.milliseconds(-1)))
        state.take(Self.call("A", 2), now: end)
        #expect(Self.spent(state, at: end) == ["all 7 1", "A 2 0", "narrow 0 0"])
        #expect(Self.spent(state, at: BudgetPeriod.month.end(of: dawn)) == ["all 0 0", "A 0 0", "narrow 0 0"])
    }

    @Test("refuses what would carry its spending past the bound, and takes nothing of it")
    func overflow() throws {
        var state = LedgerState.example()
        state.configure(Self.budgets, now: dawn)
        let most = CallRecord(labels: SeriesLabels("A"), cost: .max)
        let one = CallRecord(labels: SeriesLabels("B"), cost: Money(picoUSD: 1))
        var batch = state.batch()
        _ = try batch.fold(.end(most), onto: state)
        let rejection = #expect(throws: RecordRejection.self) { try batch.fold(.end(one), onto: state) }
        #expect(rejection?.code == .totalOverflow)
        #expect(rejection?.message.hasPrefix("llm_budget_spent_usd") == true)
        state.adopt(batch)
        #expect(state.take(one) == [nil])
        #expect(state.registry.calls.count == 1)
        // In the next window there is room again, for another agent.
        #expect(state.take(one, now: BudgetPeriod.month.end(of: dawn)) == [.accepted])
    }

    @Test("keeps what was spent when its limit changes, and begins at 0 when it counts other calls or another time")
    func configuring() throws {
        var state = Self.state()
        state.take(Self.call("A", 4))
        let numbers = state.budgets.elements.map(\.number)
        state.configure(
            [
                Budget(name: "new", limit: Self.usd(1), period: .day),
                Budget(name: "A", agentName: "A", limit: Self.usd(50), period: .hour),
                Budget(name: "all", limit: Self.usd(100), period: .week),
            ], now: dawn)
        #expect(Self.spent(state) == ["A 4 0", "new 0 0", "all 0 0"])
        #expect(state.budgets[0].budget.limit == Self.usd(50))
        #expect(state.budgets[0].number == numbers[1])
        #expect(Set(state.budgets.elements.map(\.number)).count == 3)
    }

    @Test("keeps what was spent if a reload removes it and another brings it back in the same window")
    func removal() throws {
        var state = Self.state()
        state.take(Self.call("A", 4), Self.call("A", nil, "x"))
        let before = Self.spent(state)
        #expect(before == ["all 4 1", "A 4 1", "narrow 0 1"])
        state.configure([], now: dawn)
        #expect(state.budgets.elements.map(\.isRemoved) == [true, true, true])
        // What is called meanwhile is in no budget.
        state.take(Self.call("A", 1))
        state.configure(Self.budgets, now: dawn)
        #expect(Self.spent(state) == before)
        #expect(!state.budgets.elements.contains { $0.isRemoved })
        state.take(Self.call("A", 1))
        #expect(Self.spent(state) == ["all 5 1", "A 5 1 spent", "narrow 0 1"])
    }

    @Test("is forgotten after its removal once its window ends, if nothing was spent, or if another took its name")
    func removalEnds() throws {
        var state = Self.state()
        state.take(Self.call("A", 4))
        let end = BudgetPeriod.hour.end(of: dawn)
        state.configure([], now: dawn)
        #expect(state.budgets.elements.map(\.budget.name) == ["all", "A"])
        state.configure([], now: end)
        #expect(state.budgets.elements.map(\.budget.name) == ["all"])
        state.configure(Self.budgets, now: end)
        #expect(Self.spent(state, at: end) == ["all 4 0", "A 0 0", "narrow 0 0"])
        state.configure([Budget(name: "all", limit: Self.usd(1), period: .day)], now: end)
        #expect(Self.spent(state, at: end) == ["all 0 0"])
        // A reset of the spending holds for removed budgets, too.
        state.take(Self.call("A", 1), now: end)
        state.configure([], now: end)
        state.reset(clearsBudgets: true, now: end)
        state.configure([Budget(name: "all", limit: Self.usd(1), period: .day)], now: end)
        #expect(Self.spent(state, at: end) == ["all 0 0"])
    }

    @Test("of many that were removed, the newest thousand are kept")
    func manyRemoved() throws {
        var state = LedgerState.example()
        for round in 0..<3 {
            state.configure(
                (0..<600).map { Budget(name: LabelValue("\(round) \($0)"), limit: Self.usd(1), period: .month) },
                now: dawn)
            state.take(Self.call("A", 1))
        }
        state.configure([], now: dawn)
        #expect(state.budgets.count == 1000)
        #expect(state.budgets.elements.map(\.budget.name).last == "2 599")
        #expect(Set(state.budgets.elements.map(\.number)).count == 1000)
    }

    @Test("is not reset with the series, unless that is asked for")
    func reset() throws {
        var state = Self.state()
        state.take(Self.call("A", 4), Self.call("A", nil))
        state.reset(now: dawn)
        _ = state.forget(SeriesSelection(agentName: "A"))
        #expect(Self.spent(state) == ["all 4 1", "A 4 1", "narrow 0 0"])
        state.reset(clearsBudgets: true, now: dawn)
        #expect(Self.spent(state) == ["all 0 0", "A 0 0", "narrow 0 0"])
    }

    @Test("forgets nothing because of a clock that is behind for a while, and does not wait for one that was ahead")
    func clocks() throws {
        var state = Self.state()
        let tomorrow = dawn.adding(.seconds(86_400))
        state.take(Self.call("A", 3, "x"))
        // Ahead, and no call comes: nothing but a look at it.
        #expect(Self.spent(state, at: tomorrow) == ["all 3 0", "A 0 0", "narrow 0 0"])
        #expect(Self.spent(state) == ["all 3 0", "A 3 0", "narrow 3 0 spent"])
        // Behind, with a call, and right again.
        let yesterday = dawn.adding(.seconds(-86_400))
        state.take(Self.call("A", 1, "x"), now: yesterday)
        #expect(Self.spent(state, at: yesterday) == ["all 4 0", "A 4 0", "narrow 4 0 spent"])
        #expect(state.budgets[2].turned(to: yesterday).windowEnd == BudgetPeriod.day.end(of: yesterday))
        #expect(Self.spent(state) == ["all 4 0", "A 4 0", "narrow 4 0 spent"])
        // Far ahead, with a call: what was spent then is spent until the next window of the present begins.
        state.take(Self.call("A", 2, "x"), now: dawn.adding(.seconds(86_400 * 3650)))
        state.take(Self.call("A", 1, "x"))
        #expect(Self.spent(state) == ["all 3 0", "A 3 0", "narrow 3 0 spent"])
        #expect(Self.spent(state, at: tomorrow) == ["all 3 0", "A 0 0", "narrow 0 0"])
        state.take(Self.call("A", 5, "x"), now: tomorrow)
        #expect(state.budgets[2].spent == Self.usd(5))
        #expect(state.budgets[2].windowStart == BudgetPeriod.day.start(of: tomorrow))
    }
}
