import Testing

@testable import Model

@Suite("What a batch makes of the state") struct BatchValuesTests {
    /// The same totals, added up record by record, with nothing of the program but the record's own fields.
    private struct Plain: Equatable {
        var calls: [String: Int64] = [:]
        var errors: [String: Int64] = [:]
        var tokens: Int64 = 0
        var picoUSD: Int128?
        var latencies: [Int64] = []
        /// The newest by their own time, by bucket.
        var traces: [Int: Trace] = [:]
        var lastInput: Int64?
        var lastOutput: Int64?
        var usageMissing: Int64 = 0

        mutating func add(_ record: CallRecord) {
            calls[record.status.text, default: 0] += 1
            if let errorType = record.errorType { errors[errorType.text, default: 0] += 1 }
            tokens += (record.usage.input ?? 0) + (record.usage.output ?? 0)
            if let cost = record.cost { picoUSD = (picoUSD ?? 0) + cost.picoUSD }
            if let latency = record.latencyMicroseconds {
                latencies.append(latency)
                let bounds: [Int64] = [100_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000]
                let bucket = bounds.firstIndex { latency <= $0 } ?? 6
                if let trace = record.trace, trace.unixMilliseconds >= traces[bucket]?.unixMilliseconds ?? 0 {
                    traces[bucket] = trace
                }
            }
            lastInput = record.usage.input ?? lastInput
            lastOutput = record.usage.output ?? lastOutput
            if record.isSuccess, record.usage.input == nil, record.usage.output == nil { usageMissing += 1 }
        }

        func expectEqual(_ totals: CallTotals?) {
            func counts(_ tally: Tally?) -> [String: Int64] {
                (tally?.entries ?? []).reduce(into: [:]) { $0[$1.name.text] = $1.count }
            }
            #expect(counts(totals?.calls) == calls)
            #expect(counts(totals?.errors) == errors)
            #expect(totals?.tokens == tokens)
            #expect(totals?.cost?.picoUSD == picoUSD)
            #expect((totals?.latency?.count ?? 0) == Int64(latencies.count))
            #expect((totals?.latency?.sumMicroseconds ?? 0) == latencies.reduce(0, +))
            #expect(
                (totals?.latency?.exemplars ?? []).enumerated().reduce(into: [:]) {
                    $0[$1.offset] = $1.element?.trace
                }
                    == traces)
            #expect(totals?.lastInputTokens == lastInput)
            #expect(totals?.lastOutputTokens == lastOutput)
            #expect(totals?.usageMissing == usageMissing)
        }
    }

    private static func record(_ number: Int, _ random: inout Seeded) -> CallRecord {
        var record = CallRecord(
            labels: SeriesLabels(
                LabelValue("a\(Int.random(in: 0..<4, using: &random))"),
                LabelValue("p\(Int.random(in: 0..<2, using: &random))"),
                LabelValue("m\(Int.random(in: 0..<2, using: &random))")))
        if Bool.random(using: &random) {
            record.status = "error"
            record.errorType = LabelValue("e\(number % 3)")
        }
        if Bool.random(using: &random) { record.usage.input = .random(in: 0...1_000, using: &random) }
        if Bool.random(using: &random) { record.usage.output = .random(in: 0...1_000, using: &random) }
        if Bool.random(using: &random) { record.cost = Money(picoUSD: .random(in: 0...1_000, using: &random)) }
        if Bool.random(using: &random) { record.latencyMicroseconds = .random(in: 0...12_000_000, using: &random) }
        if Bool.random(using: &random) { record.apiLatencyMicroseconds = .random(in: 0...12_000_000, using: &random) }
        if Bool.random(using: &random) {
            record.trace = Trace(id: "\(number)", unixMilliseconds: Int64(number * 7919 % 1009))
        }
        if Bool.random(using: &random) { record.memoryRSSMegabytes = Double(number) }
        if Bool.random(using: &random) { record.memoryAvailableMegabytes = Double(number) }
        return record
    }

    @Test(
        "holds the very values that a plain addition of all records gives, and is what is shown",
        arguments: 0..<10 as Range<UInt64>)
    func values(seed: UInt64) throws {
        var random = Seeded(seed)
        var state = LedgerState.example()
        var plain: [SeriesLabels: Plain] = [:]
        var apiLatencies: [EndpointLabels: [Int64]] = [:]
        var unpriced: [OfferingLabels: Int64] = [:]
        var memory: [LabelValue: Double] = [:]
        var memoryAvailable: Double?
        for round in 0..<40 {
            var batch = state.batch()
            var touched: Set<SeriesLabels> = []
            for number in 0..<Int.random(in: 1...10, using: &random) {
                let record = Self.record(round * 10 + number, &random)
                let labels = record.labels
                _ = try batch.fold(.end(record), onto: state)
                touched.insert(labels)
                plain[labels, default: Plain()].add(record)
                if let latency = record.apiLatencyMicroseconds {
                    apiLatencies[labels.endpoint, default: []].append(latency)
                }
                unpriced[labels.offering, default: 0] += record.cost == nil ? 1 : 0
                memory[labels.agentName] = record.memoryRSSMegabytes ?? memory[labels.agentName]
                memoryAvailable = record.memoryAvailableMegabytes ?? memoryAvailable
            }
            // Each series that the batch touched is in it once, and no other.
            #expect(batch.calls.count == touched.count)
            #expect(Set(batch.calls.elements.map(\.labels)) == touched)
            #expect(Set(batch.offerings.elements.map(\.labels)) == Set(touched.map(\.offering)))
            #expect(Set(batch.agents.elements.map(\.name)).isSubset(of: touched.map(\.agentName)))
            for series in batch.calls.elements { plain[series.labels]?.expectEqual(series.totals) }
            for series in batch.endpoints.elements {
                #expect(series.latency.count == apiLatencies[series.labels].map { Int64($0.count) })
                #expect(series.latency.sumMicroseconds == apiLatencies[series.labels]?.reduce(0, +))
            }
            for series in batch.offerings.elements { #expect(series.unpricedCalls == unpriced[series.labels]) }
            for agent in batch.agents.elements { #expect(agent.memoryRSSMegabytes == memory[agent.name]) }
            #expect(batch.memoryAvailableMegabytes == memoryAvailable)

            state.adopt(batch)
            for series in batch.calls.elements { #expect(state.registry.calls[series.labels]?.totals == series.totals) }
            for series in batch.endpoints.elements {
                #expect(state.registry.endpoints[series.labels]?.latency == series.latency)
            }
        }
        // A series is as the last batch that touched it left it.
        #expect(state.registry.calls.count == plain.count)
        for (labels, plain) in plain { plain.expectEqual(state.totals(labels)) }
        for (name, memory) in memory { #expect(state.registry.agents[name]?.memoryRSSMegabytes == memory) }
        for agent in state.registry.agents.elements {
            #expect(agent.ownSets == plain.keys.count { $0.agentName == agent.name })
        }
        #expect(state.registry.memoryAvailableMegabytes == memoryAvailable)
    }

    @Test("leaves the state alone that it was made of")
    func changesNothing() throws {
        var state = LedgerState.example()
        state.take([.started("A", .example(1)), .end(CallRecord(labels: SeriesLabels("A"), id: .example(2)))])
        let before = state.sums
        var batch = state.batch()
        // After a refused commit, the same events come to the same again.
        var again = state.batch()
        for event in [
            Event.end(CallRecord(labels: SeriesLabels("A"), id: .example(1))), .started("B", .example(3)),
        ] {
            #expect(try batch.fold(event, onto: state) == .accepted)
            #expect(try again.fold(event, onto: state) == .accepted)
        }
        #expect(state.sums == before)
        #expect(again.calls.elements.map(\.totals) == batch.calls.elements.map(\.totals))
        #expect(again.opened == batch.opened)
        #expect(again.closed.elements == batch.closed.elements)
    }

    @Test(
        "numbers series in the order of their birth, each with a number of its own while it exists",
        arguments: 0..<5 as Range<UInt64>)
    func numbers(seed: UInt64) throws {
        var random = Seeded(seed)
        var state = LedgerState.example(maxSeries: 12)
        var callNumbers: [SeriesLabels: Int64] = [:]
        var agentNumbers: [LabelValue: Int64] = [:]
        func expectOrdered(_ numbers: [Int64]) {
            #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 })
            #expect(numbers.allSatisfy { $0 > 0 })
        }
        for batch in 0..<80 {
            if batch % 9 == 8 {
                let agentName = LabelValue("a\(Int.random(in: 0..<4, using: &random))")
                _ = state.forget(SeriesSelection(agentName: agentName))
                callNumbers = callNumbers.filter { $0.key.agentName != agentName }
                agentNumbers[agentName] = nil
            }
            let records = (0..<3).map { Event.end(Self.record(batch * 3 + $0, &random)) }
            state.take(records)
            for series in state.registry.calls.elements {
                #expect(callNumbers[series.labels] ?? series.number == series.number)
                callNumbers[series.labels] = series.number
            }
            for agent in state.registry.agents.elements {
                #expect(agentNumbers[agent.name] ?? agent.number == agent.number)
                agentNumbers[agent.name] = agent.number
            }
            #expect(callNumbers.count == state.registry.calls.count)
            expectOrdered(state.registry.calls.elements.map(\.number))
            expectOrdered(state.registry.agents.elements.map(\.number))
            expectOrdered(state.registry.endpoints.elements.map(\.number))
            expectOrdered(state.registry.offerings.elements.map(\.number))
        }
    }

    @Test("names the calls that begin and end, each with its number; those that do both are in neither list")
    func openCalls() throws {
        var state = LedgerState.example()
        state.take((1...3).map { .started("A", .example($0)) })
        var batch = state.batch()
        func end(_ number: UInt128) -> Event { .end(CallRecord(labels: SeriesLabels("A"), id: .example(number))) }
        for event in [
            end(2), .started("A", .example(4)), .started("A", .example(5)), end(4), .started("B", .example(6)), end(9),
        ] { #expect(try batch.fold(event, onto: state) == .accepted) }
        #expect(batch.closed.elements.map(\.number) == [2])
        #expect(batch.opened.map(\.number) == [5, 6])
        #expect(batch.opened.map(\.agentName) == ["A", "B"])
        #expect(batch.rememberedIDs == 3)
        #expect(batch.ids.count == 6)
        state.adopt(batch)
        #expect(state.openCalls.all.map(\.number).sorted() == [1, 3, 5, 6])
        #expect(state.openCalls.nextNumber == 7)
        #expect(state.active("A") == 3)
    }
}
