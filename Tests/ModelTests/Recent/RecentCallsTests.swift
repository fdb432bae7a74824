import Testing

@testable import Model

/// A report of a call, as a test writes it.
private struct Told {
    var span: UInt64
    var parent: UInt64 = 0
    var trace: UInt128 = 1
    var process: UInt64 = 1
    var scope: UInt64 = 1
    /// Milliseconds.
    var time: ClosedRange<UInt64> = 1000...2000
    var model: String? = "gpt-4o"
    var tokens: Int64? = 100
    var cost: Money?
    var status: LabelValue = CallRecord.success
    var response: String?
    var request: UInt128?
    var embeds = false
    var agent: LabelValue = "agent"

    var item: ReportedWorld.Item {
        var record = CallRecord(
            labels: SeriesLabels(agent, "openai", LabelValue(model ?? "unknown")), status: status,
            errorType: status == CallRecord.success ? nil : "unknown",
            usage: Usage(input: tokens, output: tokens.map { _ in 1 }), cost: cost, latencyMicroseconds: 5,
            id: .example(UInt128(span) << 8 | trace, content: 0))
        let report = CallReport(
            span: SpanID(trace: trace, span: span), parentNumber: parent, process: process, scope: scope,
            start: time.lowerBound * 1_000_000, end: time.upperBound * 1_000_000, embeds: embeds,
            models: ModelNames(requested: model, answered: nil), responseID: response, fullness: cost == nil ? 0 : 1,
            requestID: request.map(Digest.init(bits:)))
        record.report = report
        return .call(record, report)
    }

    /// The log record of the same request.
    var log: ReportedWorld.Item {
        guard case .call(var record, _) = item, let request else { return item }
        record.id = RecordID(call: Digest(bits: request), content: 0)
        let report = CallReport(requestID: Digest(bits: request))
        record.report = report
        return .call(record, report)
    }

    static func link(_ span: UInt64, parent: UInt64 = 0, holdsCalls: Bool) -> ReportedWorld.Item {
        guard let id = SpanID(trace: 1, span: span) else { return Told(span: span).item }
        return .link(SpanLink(id: id, parentNumber: parent, holdsCalls: holdsCalls))
    }
}

/// What comes of reports that arrive one by one, in each order.
private func sums(_ items: ReportedWorld.Item...) -> Set<String> {
    func orders(_ items: [ReportedWorld.Item]) -> [[ReportedWorld.Item]] {
        guard items.count > 1 else { return [items] }
        return items.indices.flatMap { place in
            var rest = items
            let first = rest.remove(at: place)
            return orders(rest).map { [first] + $0 }
        }
    }
    return Set(
        orders(items).flatMap { order in
            [order.map { [$0] }, [order]].map { requests in
                var state = LedgerState.example()
                state.take(requests)
                let whole = state.whole
                return "\(whole.succeeded) ok, \(whole.failed) failed, \(whole.billed) tokens"
            }
        })
}

@Suite("Reports of a call") struct RecentCallsTests {
    @Test("inside another are the same call, whichever reports tokens")
    func nested() {
        #expect(sums(Told(span: 1).item, Told(span: 2, parent: 1).item) == ["1 ok, 0 failed, 101 tokens"])
        #expect(
            sums(Told(span: 1, tokens: nil).item, Told(span: 2, parent: 1, scope: 2).item)
                == ["1 ok, 0 failed, 101 tokens"])
        // Of each kind of tokens the greater count holds.
        #expect(
            sums(Told(span: 1, tokens: 90).item, Told(span: 2, parent: 1, scope: 2).item)
                == ["1 ok, 0 failed, 101 tokens"])
        #expect(
            sums(
                Told(span: 1, tokens: nil).item, Told(span: 2, parent: 1, scope: 2).item,
                Told(span: 3, parent: 2, scope: 3, tokens: nil).item) == ["1 ok, 0 failed, 101 tokens"])
    }

    @Test("are two calls if an agent, a workflow or a tool stands between, and one if another span does")
    func between() {
        let outer = Told(span: 1)
        let inner = Told(span: 3, parent: 2, scope: 2)
        #expect(
            sums(outer.item, Told.link(2, parent: 1, holdsCalls: true), inner.item) == ["2 ok, 0 failed, 202 tokens"])
        #expect(
            sums(outer.item, Told.link(2, parent: 1, holdsCalls: false), inner.item) == ["1 ok, 0 failed, 101 tokens"])
    }

    @Test("inside another are calls of their own if they are further ones, retries, embeddings or of another model")
    func ownCalls() {
        let whole = Told(span: 1, time: 1000...3000, tokens: 201)
        let parts = [
            Told(span: 2, parent: 1, scope: 2, time: 1000...1900),
            Told(span: 3, parent: 1, scope: 2, time: 2000...2900),
        ]
        #expect(sums(whole.item, parts[0].item, parts[1].item) == ["2 ok, 0 failed, 202 tokens"])
        let failed = Told(span: 2, parent: 1, scope: 2, time: 1000...1500, tokens: nil, status: "timeout")
        let again = Told(span: 3, parent: 1, scope: 2, time: 1600...2900, tokens: 201)
        #expect(sums(whole.item, failed.item, again.item) == ["1 ok, 1 failed, 202 tokens"])
        #expect(
            sums(Told(span: 1).item, Told(span: 2, parent: 1, scope: 2, embeds: true).item)
                == ["2 ok, 0 failed, 202 tokens"])
        #expect(
            sums(Told(span: 1).item, Told(span: 2, parent: 1, scope: 2, model: "guard", tokens: 7).item)
                == ["2 ok, 0 failed, 109 tokens"])
        // A gateway's name of the model, with the same tokens.
        #expect(
            sums(Told(span: 1).item, Told(span: 2, parent: 1, scope: 2, model: "my-deployment").item)
                == ["1 ok, 0 failed, 101 tokens"])
    }

    @Test("beside each other are the same call if they report the same at the same time")
    func siblings() {
        let one = Told(span: 1, trace: 1)
        func other(_ change: (inout Told) -> Void) -> ReportedWorld.Item {
            var other = Told(span: 2, trace: 2, scope: 2, time: 1001...1999, model: "openai/gpt-4o-2024-08-06")
            change(&other)
            return other.item
        }
        #expect(sums(one.item, other { _ in }) == ["1 ok, 0 failed, 101 tokens"])
        #expect(sums(one.item, other { $0.scope = 1 }) == ["2 ok, 0 failed, 202 tokens"])
        #expect(sums(one.item, other { $0.process = 2 }) == ["2 ok, 0 failed, 202 tokens"])
        #expect(sums(one.item, other { $0.time = 1002...2003 }) == ["2 ok, 0 failed, 202 tokens"])
        #expect(sums(one.item, other { $0.tokens = 99 }) == ["2 ok, 0 failed, 201 tokens"])
        #expect(sums(one.item, other { $0.tokens = nil }) == ["2 ok, 0 failed, 101 tokens"])
        #expect(sums(one.item, other { $0.model = "gpt-4" }) == ["2 ok, 0 failed, 202 tokens"])
        #expect(sums(one.item, other { $0.model = nil }) == ["1 ok, 0 failed, 101 tokens"])
    }

    @Test("beside each other are paired by their nearness, in whatever order they come")
    func nearest() {
        let times: [ClosedRange<UInt64>] = [1000...2000, 1010...1990]
        let outer = times.enumerated().map { Told(span: 1 + UInt64($0), trace: 1 + UInt128($0), time: $1).item }
        let inner = times.enumerated().map { place, time in
            Told(
                span: 3 + UInt64(place), trace: 3 + UInt128(place), scope: 2,
                time: (time.lowerBound + 1)...(time.upperBound - 1)
            ).item
        }
        #expect(sums(outer[0], outer[1], inner[0], inner[1]) == ["2 ok, 0 failed, 202 tokens"])
    }

    @Test("with the same response id are one call if they overlap, and with two ids never are")
    func responses() {
        let one = Told(span: 1, trace: 1, tokens: nil, response: "r")
        #expect(
            sums(one.item, Told(span: 2, trace: 2, scope: 2, time: 1500...2500, response: "r").item)
                == ["1 ok, 0 failed, 101 tokens"])
        #expect(
            sums(one.item, Told(span: 2, trace: 2, scope: 2, time: 2000...2500, response: "r").item)
                == ["2 ok, 0 failed, 101 tokens"])
        #expect(
            sums(one.item, Told(span: 2, parent: 1, scope: 2, response: "s").item) == ["2 ok, 0 failed, 101 tokens"])
    }

    @Test("by a span and a log record are one call by the request's id, also after a restart")
    func requests() {
        let told = Told(span: 1, request: 77)
        #expect(sums(told.item, told.log) == ["1 ok, 0 failed, 101 tokens"])
        for items in [[told.item, told.log], [told.log, told.item]] {
            var state = LedgerState.example()
            state.take([[items[0]]])
            state = LedgerState(registry: state.registry, recentIDs: state.recentIDs)
            let outcomes = state.take([[items[1]], [items[0]], [items[1]]])
            #expect(state.whole.succeeded == 1 && state.whole.billed == 101)
            guard case .merged(let merge) = outcomes[0] else { return #expect(Bool(false), "\(outcomes)") }
            #expect(merge.reason == .requestID)
        }
    }

    @Test("that come again change nothing, also a minute later")
    func retries() {
        let items = [Told(span: 1).item, Told(span: 2, parent: 1, scope: 2).item]
        var state = LedgerState.example()
        state.take([items])
        let sums = state.sums
        for later in [1, 61_000, 3_600_000] as [Int64] {
            let outcomes = state.take([items], now: Instant(unixMilliseconds: dawn.unixMilliseconds + later))
            for outcome in outcomes { if case .duplicate = outcome {} else { #expect(Bool(false), "\(outcome)") } }
        }
        #expect(state.sums == sums)
    }

    @Test("are recognised for a minute from the first, and no longer", arguments: [(59_999, 1), (60_000, 2)])
    func window(later: Int64, calls: Int) {
        var state = LedgerState.example()
        let middle = Instant(unixMilliseconds: dawn.unixMilliseconds + 30_000)
        state.take([[Told(span: 1).item]])
        state.take([[Told(span: 2, parent: 1, scope: 2).item]], now: middle)
        let last = Told(span: 3, parent: 2, scope: 3).item
        state.take([[last]], now: Instant(unixMilliseconds: dawn.unixMilliseconds + later))
        #expect(state.whole.succeeded == calls)
    }

    @Test("add a reported cost that exceeds a computed one, and give the labels only if they come first")
    func costs() throws {
        func cost(_ picoUSD: Int128) throws -> Money { try #require(Money(picoUSD: picoUSD)) }
        func total(_ first: Told, _ second: Told) -> Money? {
            var state = LedgerState.example()
            state.take([[first.item], [second.item]])
            #expect(state.registry.calls.count == 1)
            return state.totals(SeriesLabels(first.agent, "openai", "gpt-4o"))?.cost
        }
        var computed = Told(span: 1)
        guard case .call(var record, let report) = computed.item else { return }
        record.take(.amount(try cost(50)))
        let item = ReportedWorld.Item.call(record, report)
        for (reported, expected) in [(70, 70), (30, 50)] as [(Int128, Int128)] {
            var state = LedgerState.example()
            state.take([[item], [Told(span: 2, parent: 1, scope: 2, cost: try cost(reported), agent: "b").item]])
            #expect(state.totals(SeriesLabels("agent", "openai", "gpt-4o"))?.cost == (try cost(expected)))
            #expect(state.registry.calls.count == 1)
        }
        computed.cost = try cost(40)
        #expect(total(computed, Told(span: 2, parent: 1, scope: 2, cost: try cost(60))) == (try cost(40)))
        #expect(total(Told(span: 1), Told(span: 2, parent: 1, scope: 2, cost: try cost(60))) == (try cost(60)))
    }

    @Test("of one request give the labels of the fullest")
    func fullest() throws {
        var state = LedgerState.example()
        state.take([
            [Told(span: 1, agent: "a").item, Told(span: 2, parent: 1, scope: 2, cost: .zero, agent: "b").item]
        ])
        #expect(state.registry.calls.elements.map(\.labels.agentName) == ["b"])
    }

    @Test("beyond the limit push out the oldest, and cost no more")
    func limit() {
        var state = LedgerState(
            registry: Registry(maxSeries: 10), recentIDs: RecentIDs(window: .seconds(86_400), maxIDs: 100_000),
            recentCalls: RecentCalls(limit: 100))
        for number in 1...1000 as ClosedRange<UInt64> {
            state.take([[Told(span: number, trace: UInt128(number), time: number * 3000...(number * 3000 + 1)).item]])
            #expect(state.recentCalls.count <= 100)
        }
        // The last still has its other report.
        let last = Told(span: 2000, parent: 1000, trace: 1000, scope: 2, time: 3_000_000...3_000_001)
        state.take([[last.item]])
        #expect(state.whole.succeeded == 1000)
        // The first one's comes too late.
        state.take([[Told(span: 2001, parent: 1, trace: 1, scope: 2, time: 3000...3001).item]])
        #expect(state.whole.succeeded == 1001)
    }

    @Test("of a whole with more parts than are kept add up to it all the same")
    func manyParts() {
        var state = LedgerState.example()
        let parts = (2...400 as ClosedRange<UInt64>).map { number in
            Told(span: number, parent: 1, scope: 2, time: 1000 * number...(1000 * number + 900), tokens: 9).item
        }
        let whole = Told(span: 1, time: 1000...500_000, tokens: 399 * 9).item
        for order in [[whole] + parts, parts + [whole]] {
            for requests in [order.map { [$0] }, [order]] {
                state = .example()
                state.take(requests)
                #expect(state.whole.succeeded == 399)
                #expect(state.whole.tokens[.input] == 399 * 9)
            }
        }
    }

    @Test("beside each other are found among hundreds that look alike")
    func manyAlike() {
        for failures in [300, 1000] as [UInt64] {
            let items = ([1, 2] as [UInt64]).flatMap { scope in
                (0..<failures).map { number in
                    let start = 1000 + number * 50 + scope
                    return Told(
                        span: number + 1, trace: UInt128(number) * 2 + UInt128(scope), scope: scope,
                        time: start...(start + 30 - 2 * scope), tokens: nil, status: "error"
                    ).item
                }
            }
            var state = LedgerState.example()
            state.take([items])
            #expect(state.whole.failed == Int(failures))
        }
    }

    @Test("that run at once below a parent that never comes are all counted", arguments: [100, nil] as [Int64?])
    func unknownParent(tokens: Int64?) {
        let calls = (0..<10 as Range<UInt64>).flatMap { number in
            let start = 1000 + number
            let end = 3000 + number * 97 % 500
            return [
                Told(
                    span: 100 + number, parent: 10 + number, scope: 1, time: (start + 1)...(end - 1),
                    tokens: 100 + Int64(number)),
                Told(
                    span: 10 + number, parent: 9, scope: 2, time: start...end,
                    tokens: tokens.map { $0 + Int64(number) }),
            ]
        }
        for requests in [[calls.map(\.item)], calls.map { [$0.item] }, calls.reversed().map { [$0.item] }] {
            var state = LedgerState.example()
            state.take(requests)
            #expect(state.whole.succeeded == 10)
            #expect(state.whole.tokens[.input] == 1045)
        }
    }

    @Test("that cannot be counted leave no trace")
    func overflow() throws {
        var state = LedgerState.example()
        let largest = Told(span: 1, cost: Money.max).item
        state.take([[largest]])
        let outcomes = state.take([[Told(span: 2, trace: 2, time: 9000...9001, cost: Money(picoUSD: 1)).item]])
        guard case .rejected(let error) = outcomes[0] else { return #expect(Bool(false), "\(outcomes)") }
        #expect(error.code.rawValue == "total_overflow")
        #expect(state.whole.succeeded == 1)
        state.take([[Told(span: 2, trace: 2, time: 9000...9001).item]])
        #expect(state.whole.succeeded == 2)
    }
}
