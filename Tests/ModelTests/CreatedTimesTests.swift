import Testing

@testable import Model

@Suite("The time at which a series began") struct CreatedTimesTests {
    private static let later = dawn.adding(.seconds(60))

    private static func call(_ status: LabelValue = "success", _ usage: Usage = Usage(), cost: Int128? = nil)
        -> CallRecord
    {
        CallRecord(
            labels: SeriesLabels("A"), status: status, errorType: status == "success" ? nil : "e", usage: usage,
            cost: cost.flatMap { Money(picoUSD: $0) })
    }

    @Test("is the arrival of the record that created it")
    func arrival() throws {
        var state = LedgerState.example()
        state.take(Self.call())
        var record = Self.call("timeout", Usage(input: 1), cost: 1)
        record.usage[.inputAudio] = 1
        record.latencyMicroseconds = 5
        record.apiLatencyMicroseconds = 4
        record.timeToFirstTokenMicroseconds = 3
        record.details = CallDetails(webSearches: 1)
        state.take(record, now: Self.later)
        // Nothing begins twice.
        state.take(record, Self.call("error"), now: Self.later.adding(.seconds(60)))
        let totals = try #require(state.registry.calls.elements.first { _ in true }).totals
        let created = totals.created
        #expect(created.set == dawn)
        let parts: [CreatedTimes.Part] = [
            .cost, .kinds, .kind(.inputAudio), .webSearches, .latency, .timeToFirstToken, .status("timeout"),
            .errorType("e"),
        ]
        for part in parts { #expect(created[part] == Self.later, "\(part)") }
        #expect(created.later.count == parts.count)
        // Shown at 0 since the set began.
        #expect(created[.status("error")] == dawn)
        #expect(state.registry.endpoints.elements.map(\.created) == [Self.later])
        #expect(state.registry.offerings.elements.map(\.created) == [dawn])
        #expect(totals.lastSeen == Self.later.adding(.seconds(60)))
    }

    @Test("is that of the set if one record creates all, which takes no room")
    func together() throws {
        var state = LedgerState.example()
        state.take(Self.call("timeout", Usage(input: 1, output: 2), cost: 1))
        let created = try #require(state.registry.calls.elements.first { _ in true }).totals.created
        #expect(created.later.isEmpty)
        #expect(created[.cost] == dawn && created[.status("timeout")] == dawn)
    }

    @Test("is new after a reset and a forget")
    func renewed() {
        var state = LedgerState.example()
        state.take([.started("A", .example(1)), .end(Self.call())])
        #expect(state.registry.agents.elements.map(\.firstStart) == [dawn])
        state.reset(now: Self.later)
        #expect(state.registry.agents.elements.map(\.firstStart) == [Self.later])
        state.take(Self.call(), now: Self.later)
        #expect(state.registry.calls.elements.map(\.totals.created.set) == [Self.later])
        _ = state.forget(SeriesSelection(agentName: "A"))
        let end = Self.later.adding(.seconds(1))
        state.take(Self.call(), now: end)
        #expect(state.registry.calls.elements.map(\.totals.created.set) == [end])
    }
}
