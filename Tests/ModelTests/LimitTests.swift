import Testing

@testable import Model

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
        var batch = state.batch()
        var overflowRecords = 0
        for record in records {
            #expect((try? batch.fold(.end(record), onto: state)) == .accepted)
            if !inOneBatch {
                state.adopt(batch)
                overflowRecords += batch.overflowRecords
                batch = state.batch()
            }
        }
        state.adopt(batch)
        overflowRecords += batch.overflowRecords
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

    @Test("forgetting frees the places, and reports what was removed")
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
        // Series of families with fewer labels stay if another set still needs them.
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
        state.reset(now: dawn)
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
