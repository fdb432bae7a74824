import Model
import Testing

@testable import Store

@Suite("What was committed") struct RoundTripTests {
    /// Batches, pauses, resets and forgets, as seeded; `check` is called now and then, with the history so far.
    private func live(
        in folder: StorageFolder, seed: UInt64, _ check: (inout History) throws -> Void
    ) throws -> History {
        var random = Seeded(seed)
        var history = try History(
            folder, .example(maxSeries: 7, idWindow: .seconds(60), maxIDs: 150, budgets: History.budgets))
        for _ in 0..<120 {
            switch Int.random(in: 0..<40, using: &random) {
            case 0: try history.reset()
            case 1: try history.forget(SeriesSelection(agentName: "A"))
            case 2: try history.forget(SeriesSelection(agentName: "é", model: "m2"))
            case 3: history.pass(.seconds(45))
            case 4...6: try check(&history)
            default:
                history.pass(.milliseconds(Int.random(in: 0...900, using: &random)))
                try history.take(History.events(&random, upTo: 25), expiring: .seconds(20))
            }
        }
        return history
    }

    @Test("is read back as it was, in every respect", arguments: 0..<8 as Range<UInt64>)
    func afterAStop(seed: UInt64) throws {
        try withFolder { folder in
            let history = try live(in: folder, seed: seed) { history in
                let before = history.account
                try history.restart()
                #expect(history.account == before)
            }
            history.close()
            #expect(try folder.names() == ["llm-exporter.batch", "llm-exporter.db", "lock"])
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("is read back from the files of a program that was killed", arguments: 100..<108 as Range<UInt64>)
    func afterACrash(seed: UInt64) throws {
        try withFolder { folder in
            let history = try live(in: folder, seed: seed) { history in
                let crashed = try folder.crashed(into: folder.beside("crashed"))
                #expect(try history.account(of: crashed) == history.account)
                // A start and a stop have changed nothing.
                #expect(try history.account(of: crashed) == history.account)
            }
            history.close()
        }
    }

    @Test("includes the largest totals, and the smallest grain of money")
    func extremes() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take(
                CallRecord(
                    labels: SeriesLabels("A"), usage: Usage(input: .max, output: 0, total: .max), cost: .max,
                    latencyMicroseconds: .max, apiLatencyMicroseconds: .max),
                CallRecord(labels: SeriesLabels("B"), cost: Money(picoUSD: 1)),
                CallRecord(labels: SeriesLabels("C"), cost: .zero),
                CallRecord(labels: SeriesLabels("D", "p", LabelValue(String(repeating: "\u{10FFFF}", count: 64)))))
            let before = history.account
            try history.restart()
            #expect(history.account == before)
            #expect(history.state.registry.calls.elements.map(\.totals.cost) == [.max, Money(picoUSD: 1), .zero, nil])
            history.close()
        }
    }

    /// The event, unless it has no id, without an amount that would leave no room for others.
    private static func commuting(_ event: Event) -> Event? {
        guard case .end(var record) = event else { return event }
        if record.cost ?? .zero > Money(picoUSD: 3) ?? .zero { record.cost = .zero }
        return record.id == nil ? nil : .end(record)
    }

    @Test("counts each record once, however it was retried, reordered and cut", arguments: 200..<206 as Range<UInt64>)
    func countsOnce(seed: UInt64) throws {
        try withFolder { folder in
            var random = Seeded(seed)
            let events = History.events(&random, upTo: 200).compactMap(Self.commuting)
            let settings = StoreSettings.example(budgets: History.budgets)
            var once = try History(folder.beside("once"), settings)
            try once.take(events)
            once.close()

            var again = try History(folder, settings)
            // Each twice, so that most are retried in another batch, beyond a restart.
            var rest = (events + events).shuffled(using: &random)[...]
            while !rest.isEmpty {
                let size = Int.random(in: 1...30, using: &random)
                try again.take(Array(rest.prefix(size)))
                rest = rest.dropFirst(size)
                if Int.random(in: 0..<4, using: &random) == 0 { try again.restart() }
            }
            again.close()
            #expect(try folder.opened().sums == once.state.sums)
        }
    }

    @Test("goes from the WAL into the database while the store is open")
    func walIsBounded() throws {
        try withFolder { folder in
            var history = try History(folder)
            var largest: Int64 = 0
            for number in 0..<1000 {
                try history.take([.ended("A", number)])
                largest = max(largest, folder.sizes[1].bytes)
            }
            // From 1000 pages on; a batch takes a few.
            #expect((1000 * 4096..<5 << 20).contains(largest))
            #expect(try history.account(of: try folder.crashed(into: folder.beside("crashed"))) == history.account)
            history.close()
        }
    }
}
