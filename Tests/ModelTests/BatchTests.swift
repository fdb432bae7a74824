import Testing

@testable import Model

@Suite("A batch") struct BatchTests {
    /// 300 records and starts of 4 agents; a tenth sent twice, half of the starts with an end.
    private static func events(_ random: inout Seeded) -> [Event] {
        var events: [Event] = []
        for number in 0..<300 as Range<UInt128> {
            let agentName = LabelValue("agent-\(Int.random(in: 0..<4, using: &random))")
            let id = RecordID.example(number)
            if Int.random(in: 0..<3, using: &random) == 0 { events.append(.started(agentName, id)) }
            if Bool.random(using: &random) {
                let status = LabelValue(["success", "error", "timeout"].randomElement(using: &random) ?? "success")
                let input = Int64.random(in: 0...5_000, using: &random)
                var record = CallRecord(
                    labels: SeriesLabels(agentName, "openai", LabelValue("m\(Int.random(in: 0..<3, using: &random))")),
                    status: status, errorType: status == "success" ? nil : "unknown", id: id)
                if Bool.random(using: &random) {
                    record.usage = Usage(input: input, output: 7, cacheRead: input / 2, reasoning: 3)
                }
                if Bool.random(using: &random) {
                    record.cost = Money(picoUSD: Int128.random(in: 0...1_000_000_000_000_000_000, using: &random))
                }
                if Bool.random(using: &random) {
                    record.latencyMicroseconds = .random(in: 0...12_000_000, using: &random)
                    record.apiLatencyMicroseconds = record.latencyMicroseconds
                    record.timeToFirstTokenMicroseconds = record.latencyMicroseconds.map { $0 / 3 }
                }
                events.append(.end(record))
            }
            if number % 10 == 0, let last = events.last { events.append(last) }
        }
        return events
    }

    @Test("adds up to the same totals in any order and any partition", arguments: 0..<20 as Range<UInt64>)
    func commutes(seed: UInt64) {
        var random = Seeded(seed)
        let events = Self.events(&random)
        var whole = LedgerState.example()
        whole.take(events)
        var parts = LedgerState.example()
        var rest = events.shuffled(using: &random)[...]
        while !rest.isEmpty {
            let size = min(rest.count, Int.random(in: 1...40, using: &random))
            parts.take(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        #expect(whole.sums == parts.sums)
        #expect(whole.registry.places == whole.registry.calls.count)
    }

    @Test(
        "makes the same state of the same events in any partition, down to its numbers",
        arguments: 0..<10 as Range<UInt64>)
    func partitions(seed: UInt64) {
        var random = Seeded(seed)
        var events = Self.events(&random)
        // Sums at their bounds, so that some events are rejected: which ones does not depend on the partition.
        for _ in 0..<40 {
            let agentName = LabelValue("agent-\(Int.random(in: 0..<6, using: &random))")
            var record = CallRecord(labels: SeriesLabels(agentName, "openai", "m9"), memoryRSSMegabytes: 1)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: record.cost = .max
            case 1: record.latencyMicroseconds = .max
            case 2: record.apiLatencyMicroseconds = .max
            case 3: record.timeToFirstTokenMicroseconds = .max
            default: record.usage.total = .max
            }
            events.insert(.end(record), at: Int.random(in: 0...events.count, using: &random))
        }
        var whole = LedgerState.example(maxSeries: 9)
        whole.configure([Budget(name: "all", limit: .max, period: .month)], now: dawn)
        var parts = whole
        let outcomes = whole.take(events)
        #expect(outcomes.contains(nil))
        var rest = events[...]
        var partOutcomes: [Batch.Folded?] = []
        while !rest.isEmpty {
            let size = min(rest.count, Int.random(in: 1...9, using: &random))
            partOutcomes += parts.take(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        #expect(partOutcomes == outcomes)
        for (part, other) in zip(parts.account, whole.account) { #expect(part == other) }
    }

    @Test("is what it would be without the events that were rejected", arguments: 0..<10 as Range<UInt64>)
    func rejectedLeavesNothing(seed: UInt64) {
        var random = Seeded(seed)
        var state = LedgerState.example(maxSeries: 30)
        state.configure([Budget(name: "all", limit: .max, period: .month)], now: dawn)
        for number in 0..<6 {
            var filler = CallRecord(labels: SeriesLabels(LabelValue("agent-\(number)"), "full", "m"))
            filler.apiLatencyMicroseconds = .max
            state.take(filler)
        }
        let events = Self.events(&random)
        let rejected = (0..<60).map { number in
            // Most touch an agent, a set, an offering and a budget that nothing before them did.
            var record = CallRecord(
                labels: SeriesLabels(LabelValue("agent-\(number % 6)"), "full", LabelValue("m\(number % 20)")),
                cost: Money(picoUSD: 5), id: .example(UInt128(10_000 + number)))
            record.apiLatencyMicroseconds = 1
            return Event.end(record)
        }
        var with = state.batch()
        var without = state.batch()
        for event in events {
            for _ in 0..<Int.random(in: 0...2, using: &random) {
                guard let one = rejected.randomElement(using: &random) else { continue }
                #expect(throws: RecordRejection.self) { try with.fold(one, onto: state) }
                #expect(with.isEmpty == without.isEmpty)
            }
            #expect((try? with.fold(event, onto: state)) == (try? without.fold(event, onto: state)))
        }
        #expect(with.overflowRecords == without.overflowRecords)
        #expect(with.calls.elements.map(\.labels) == without.calls.elements.map(\.labels))
        #expect(with.agents.elements.map(\.name) == without.agents.elements.map(\.name))
        #expect(with.accounts.elements == without.accounts.elements)
        var other = state
        state.adopt(with)
        other.adopt(without)
        for (with, without) in zip(state.account, other.account) { #expect(with == without) }
    }

    private static func full(_ change: (inout CallRecord) -> Void) -> CallRecord {
        var record = CallRecord(labels: SeriesLabels("A"))
        change(&record)
        return record
    }

    /// A total that `first` fills but for 5.
    struct Bound: Sendable, CustomTestStringConvertible {
        let first: CallRecord
        let fits: CallRecord
        let overflows: CallRecord
        let field: String

        init(_ first: CallRecord, _ fits: CallRecord, _ overflows: CallRecord, _ field: String) {
            self.first = first
            self.fits = fits
            self.overflows = overflows
            self.field = field
        }

        var testDescription: String { field }
    }

    static let bounds: [Bound] = [
        Bound(
            full { $0.usage.total = .max - 5 }, full { $0.usage.total = 5 }, full { $0.usage.total = 6 }, "total_tokens"
        ),
        Bound(
            full { $0.usage = Usage(input: .max - 5, output: 0, total: 0) },
            full { $0.usage = Usage(input: 5, output: 0, total: 0) },
            full { $0.usage = Usage(input: 6, output: 0, total: 0) }, "input_tokens"
        ),
        Bound(
            full { $0.usage = Usage(input: 0, output: .max - 5, total: 0) },
            full { $0.usage = Usage(input: 0, output: 5, total: 0) },
            full { $0.usage = Usage(input: 0, output: 6, total: 0) }, "input_tokens"
        ),
        Bound(
            full { $0.cost = Money(picoUSD: Money.max.picoUSD - 5) }, full { $0.cost = Money(picoUSD: 5) },
            full { $0.cost = Money(picoUSD: 6) }, "cost_usd"
        ),
        Bound(
            full { $0.latencyMicroseconds = .max - 5 }, full { $0.latencyMicroseconds = 5 },
            full { $0.latencyMicroseconds = 6 }, "latency_ms"
        ),
        Bound(
            full { $0.apiLatencyMicroseconds = .max - 5 }, full { $0.apiLatencyMicroseconds = 5 },
            full { $0.apiLatencyMicroseconds = 6 }, "api_latency_ms"
        ),
    ]

    @Test("takes what fills a total to its bound and rejects one more", arguments: bounds, [true, false])
    func overflow(
        bound: Bound, inOneBatch: Bool
    ) throws {
        var state = LedgerState.example()
        if !inOneBatch { state.take(bound.first) }
        var batch = state.batch()
        if inOneBatch { #expect(try batch.fold(.end(bound.first), onto: state) == .accepted) }
        let rejection = #expect(throws: RecordRejection.self) {
            try batch.fold(.end(bound.overflows), onto: state)
        }
        #expect(rejection?.code == .totalOverflow)
        #expect(rejection?.field == bound.field)
        #expect(try batch.fold(.end(bound.fits), onto: state) == .accepted)
        #expect(throws: RecordRejection.self) { try batch.fold(.end(bound.overflows), onto: state) }
        state.adopt(batch)
        #expect(state.totals(SeriesLabels("A"))?.calls.total == 2)
    }

    @Test("keeps no trace of a rejected record, nor a set of its own")
    func rejectedLeavesNoTrace() {
        var state = LedgerState.example()
        var filler = CallRecord(labels: SeriesLabels("A", "openai", "m1"))
        filler.apiLatencyMicroseconds = .max
        state.take(filler)
        let before = state.sums
        // Overflows the endpoint's sum only, which is checked last; all else of it is new.
        var record = CallRecord(
            labels: SeriesLabels("A", "openai", "m2"), status: "timeout", errorType: "x", usage: Usage(input: 1),
            cost: Money(picoUSD: 1), latencyMicroseconds: 1, memoryRSSMegabytes: 1, memoryAvailableMegabytes: 1,
            id: .example(1))
        record.apiLatencyMicroseconds = 1
        #expect(state.take(record) == [nil])
        #expect(state.sums == before)
        #expect(state.registry.memoryAvailableMegabytes == nil)
        #expect(state.registry.agents["A"]?.memoryRSSMegabytes == nil)
        record.apiLatencyMicroseconds = 0
        #expect(state.take(record) == [.accepted])
    }

    @Test("keeps no trace of the first latency of a known set when that is rejected")
    func rejectedLatencyLeavesNoTrace() throws {
        var state = LedgerState.example()
        var filler = CallRecord(labels: SeriesLabels("A", "openai", "m1"))
        filler.apiLatencyMicroseconds = .max
        state.take(filler)
        var batch = state.batch()
        var record = CallRecord(labels: SeriesLabels("A", "openai", "m2"))
        #expect(try batch.fold(.end(record), onto: state) == .accepted)
        record.apiLatencyMicroseconds = 1
        #expect(throws: RecordRejection.self) { try batch.fold(.end(record), onto: state) }
        #expect(batch.endpoints.isEmpty)
        record.apiLatencyMicroseconds = 0
        #expect(try batch.fold(.end(record), onto: state) == .accepted)
        #expect(batch.endpoints.count == 1)
    }

    @Test("counts an id once, rejects other content, and remembers starts apart", arguments: [true, false])
    func ids(inOneBatch: Bool) {
        let record = CallRecord(labels: SeriesLabels("A"), id: .example(1, content: 5))
        var changed = record
        changed.id = .example(1, content: 6)
        let events: [Event] = [
            .end(record), .end(record), .end(changed), .started("A", .example(1)), .started("B", .example(1)),
            .started("A", .example(2, content: 1)), .started("A", .example(2, content: 2)), .end(record),
        ]
        var state = LedgerState.example()
        let outcomes = inOneBatch ? state.take(events) : events.flatMap { state.take([$0]) }
        #expect(
            outcomes == [.accepted, .duplicate, nil, .accepted, .duplicate, .accepted, .duplicate, .duplicate])
        #expect(state.totals(SeriesLabels("A"))?.calls.total == 1)
        #expect(state.active("A") == 1)
        #expect(state.active("B") == nil)
    }

    @Test("forgets an id with its window")
    func idsExpire() {
        var state = LedgerState.example(window: .seconds(60))
        let record = CallRecord(labels: SeriesLabels("A"), id: .example(1))
        #expect(state.take(record) == [.accepted])
        #expect(state.take(record, now: dawn.adding(.milliseconds(59_999))) == [.duplicate])
        #expect(state.take(record, now: dawn.adding(.seconds(60))) == [.accepted])
        #expect(state.take(record, now: dawn.adding(.seconds(119))) == [.duplicate])
    }

    @Test("shows the last value that arrived; a record without the field leaves it alone")
    func gauges() {
        var state = LedgerState.example()
        let labels = SeriesLabels("A")
        state.take(
            CallRecord(
                labels: labels, usage: Usage(input: 5, output: 6), memoryRSSMegabytes: 256,
                memoryAvailableMegabytes: 9))
        state.take(
            CallRecord(labels: labels, usage: Usage(input: 7), memoryRSSMegabytes: 300),
            CallRecord(labels: labels))
        #expect(state.registry.agents["A"]?.memoryRSSMegabytes == 300)
        #expect(state.registry.memoryAvailableMegabytes == 9)
        #expect(state.totals(labels)?.lastInputTokens == 7)
        #expect(state.totals(labels)?.lastOutputTokens == 6)
        #expect(state.totals(labels)?.usageMissing == 1)
    }

    @Test("a thousand calls of 0.0000691 USD cost 0.0691 USD to the last digit")
    func moneyIsExact() {
        var state = LedgerState.example()
        let record = CallRecord(labels: SeriesLabels("A"), cost: Money(picoUSD: 69_100_000))
        for _ in 0..<10 { state.take(Array(repeating: .end(record), count: 100)) }
        #expect(state.totals(SeriesLabels("A"))?.cost?.description == "0.0691")
    }
}
