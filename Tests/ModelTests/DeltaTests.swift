import Testing

@testable import Model

@Suite("A batch") struct DeltaTests {
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
        var delta = Delta()
        if inOneBatch {
            #expect(try delta.fold(.end(bound.first), onto: state, now: dawn) == .accepted)
        } else {
            state.take(bound.first)
        }
        let rejection = #expect(throws: RecordRejection.self) {
            try delta.fold(.end(bound.overflows), onto: state, now: dawn)
        }
        #expect(rejection?.code == .totalOverflow)
        #expect(rejection?.field == bound.field)
        #expect(try delta.fold(.end(bound.fits), onto: state, now: dawn) == .accepted)
        #expect(throws: RecordRejection.self) { try delta.fold(.end(bound.overflows), onto: state, now: dawn) }
        state.merge(delta, now: dawn)
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

@Suite("Limits of names and series") struct LimitTests {
    @Test("a set has 16 statuses, five places reserved; more become _other", arguments: [true, false])
    func statuses(inOneBatch: Bool) throws {
        var state = LedgerState.example()
        let names = (0..<12).map { LabelValue("s\($0)") } + NameLimits.reservedStatuses + ["s0", "s10", "s11", "s12"]
        let events = names.map { Event.end(CallRecord(labels: SeriesLabels("A"), status: $0, errorType: "e")) }
        if inOneBatch { state.take(events) } else { for event in events { state.take([event]) } }
        let calls = try #require(state.totals(SeriesLabels("A"))?.calls)
        #expect(calls.entries.count == 17)
        #expect(calls[.other] == 3)
        #expect(calls["s10"] == 2)
        #expect(!calls.contains("s11"))
        for name in NameLimits.reservedStatuses { #expect(calls[name] == 1) }
        #expect(calls.total == Int64(names.count))
    }

    @Test("a set has 32 error types; more become _other", arguments: [true, false])
    func errorTypes(inOneBatch: Bool) throws {
        var state = LedgerState.example()
        let names = (0..<40).map { LabelValue("e\($0)") } + ["e31", "e32"]
        let events = names.map { Event.end(CallRecord(labels: SeriesLabels("A"), status: "error", errorType: $0)) }
        if inOneBatch { state.take(events) } else { for event in events { state.take([event]) } }
        let errors = try #require(state.totals(SeriesLabels("A"))?.errors)
        #expect(errors.entries.count == 33)
        #expect(errors[.other] == 9)
        #expect(errors["e31"] == 2)
        #expect(errors.total == 42)
    }

    @Test("past the limit a known agent keeps its name and a new one does not", arguments: [true, false])
    func folding(inOneBatch: Bool) {
        var state = LedgerState.example(maxSeries: 3)
        let records = [
            SeriesLabels("A", "p", "m1"), SeriesLabels("A", "p", "m2"), SeriesLabels("B", "p", "m1"),
            SeriesLabels("A", "p", "m3"), SeriesLabels("C", "q", "m1"), SeriesLabels("B", "p", "m1"),
            SeriesLabels("B", "q", "m9"), SeriesLabels("D", "q", "m9"),
        ].map {
            CallRecord(
                labels: $0, usage: Usage(input: 10, output: 1), apiLatencyMicroseconds: 5, memoryRSSMegabytes: 1)
        }
        var delta = Delta()
        var overflowRecords = 0
        for record in records {
            #expect((try? delta.fold(.end(record), onto: state, now: dawn)) == .accepted)
            if !inOneBatch {
                state.merge(delta, now: dawn)
                overflowRecords += delta.overflowRecords
                delta = Delta()
            }
        }
        state.merge(delta, now: dawn)
        overflowRecords += delta.overflowRecords
        let registry = state.registry
        #expect(
            registry.calls.elements.map { "\($0.labels.agentName)/\($0.labels.provider)/\($0.labels.model)" } == [
                "A/p/m1", "A/p/m2", "B/p/m1", "A/_other/_other", "_other/_other/_other", "B/_other/_other",
            ])
        #expect(registry.calls.elements.reduce(0) { $0 + $1.totals.tokens } == 88)
        #expect(registry.calls.elements.map(\.totals.calls.total) == [1, 1, 2, 1, 2, 1])
        #expect(Set(registry.agents.elements.map(\.name)) == ["A", "B", .other])
        #expect(
            Set(registry.endpoints.elements.map { "\($0.labels.agentName)/\($0.labels.provider)" }) == [
                "A/p", "B/p", "A/_other", "_other/_other", "B/_other",
            ])
        #expect(
            Set(registry.offerings.elements.map { "\($0.labels.provider)/\($0.labels.model)" }) == [
                "p/m1", "p/m2", "_other/_other",
            ])
        #expect(registry.places == 3)
        #expect(overflowRecords == 4)
    }

    @Test("an agent known only by starts holds a place, which its first set takes over", arguments: [true, false])
    func startsHoldPlaces(inOneBatch: Bool) {
        var state = LedgerState.example(maxSeries: 2)
        let events: [Event] = [
            .started("A", .example(1)), .started("A", .example(2)), .started("B", .example(3)),
            .started("C", .example(4)), .end(CallRecord(labels: SeriesLabels("A", "p", "m1"))),
            .end(CallRecord(labels: SeriesLabels("A", "p", "m2"))),
            .end(CallRecord(labels: SeriesLabels("C", "p", "m1"), id: .example(4))),
        ]
        if inOneBatch { state.take(events) } else { for event in events { state.take([event]) } }
        #expect(state.registry.places == 2)
        #expect(state.active("A") == 2)
        #expect(state.active("B") == 1)
        // C was folded; its start was counted under _other, and so is its end.
        #expect(state.active("C") == nil)
        #expect(state.active(.other) == 0)
        #expect(state.registry.agents["A"]?.ownSets == 1)
        #expect(state.totals(SeriesLabels("A", "p", "m1")) != nil)
        #expect(state.totals(.folded(agentName: "A"))?.calls.total == 1)
        #expect(state.totals(.folded(agentName: .other))?.calls.total == 1)
    }

    @Test("forgetting frees the places, and what was removed is told")
    func forget() {
        var state = LedgerState.example(maxSeries: 3)
        for (agentName, model) in [("A", "m1"), ("A", "m2"), ("B", "m1")] as [(LabelValue, LabelValue)] {
            state.take(
                CallRecord(
                    labels: SeriesLabels(agentName, "p", model), usage: Usage(input: 10),
                    cost: Money(picoUSD: 7), apiLatencyMicroseconds: 1),
                CallRecord(labels: SeriesLabels(agentName, "p", model), status: "error", errorType: "x"))
        }
        state.take([.started("A", .example(1))])
        let part = state.forget(SeriesSelection(agentName: "A", model: "m1"))
        #expect([part.sums.calls, part.sums.failedCalls, part.sums.tokens, part.sums.picoUSD] == [2, 1, 10, 7])
        #expect(part.series == 1 && !part.removesAgent && !part.isEmpty)
        #expect(state.registry.places == 2)
        // Of families with fewer labels, those that another set still needs stay.
        #expect(state.registry.offerings.elements.map(\.labels.model) == ["m1", "m2"])
        #expect(state.registry.endpoints.count == 2)
        #expect(state.forget(SeriesSelection(agentName: "A", model: "m1")).isEmpty)
        #expect(state.forget(SeriesSelection(agentName: "Z")).isEmpty)

        let agent = state.forget(SeriesSelection(agentName: "A"))
        #expect(agent.removesAgent && agent.series == 1)
        #expect(state.openCalls.count == 0)
        #expect(state.registry.places == 1)
        #expect(state.registry.agents.elements.map(\.name) == ["B"])
        #expect(state.registry.endpoints.elements.map(\.labels.agentName) == ["B"])
        #expect(state.registry.offerings.elements.map(\.labels.model) == ["m1"])
        // The forgotten call's end counts, and lowers nothing.
        state.take(CallRecord(labels: SeriesLabels("A", "p", "m9"), id: .example(1)))
        #expect(state.active("A") == 0)
        #expect(state.registry.agents["A"]?.reportsActiveCalls == false)
        #expect(state.registry.places == 2)
    }

    @Test("forgetting a model that an agent never used leaves the agent alone")
    func forgetNothing() {
        var state = LedgerState.example()
        state.take([.started("A", .example(1)), .end(CallRecord(labels: SeriesLabels("B"), id: .example(1)))])
        let before = state.sums
        #expect(state.active("A") == 0)
        #expect(state.forget(SeriesSelection(agentName: "A", model: "typo")).isEmpty)
        #expect(state.sums == before)
    }

    @Test("a reset removes all but the calls in flight, and remembers ids")
    func reset() {
        var state = LedgerState.example(maxSeries: 2)
        state.take([
            .started("A", .example(1)), .end(CallRecord(labels: SeriesLabels("B"), id: .example(2))),
            .end(CallRecord(labels: SeriesLabels("C"))),
        ])
        state.reset()
        #expect(state.registry.calls.count == 0)
        #expect(state.registry.endpoints.count == 0)
        #expect(state.registry.offerings.count == 0)
        #expect(state.registry.agents.elements.map(\.name) == ["A"])
        #expect(state.registry.places == 1)
        #expect(state.active("A") == 1)
        #expect(state.take(CallRecord(labels: SeriesLabels("B"), id: .example(2))) == [.duplicate])
        state.take(CallRecord(labels: SeriesLabels("A"), id: .example(1)))
        #expect(state.active("A") == 0)
        #expect(state.registry.places == 1)
    }
}
