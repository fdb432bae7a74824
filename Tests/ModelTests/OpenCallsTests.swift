import Testing

@testable import Model

extension OpenCalls {
    fileprivate mutating func open(_ id: UInt128, _ agentName: LabelValue, _ begun: Instant) {
        open(OpenCall(number: nextNumber, id: Digest(bits: id), agentName: agentName, begun: begun))
    }
}

@Suite("Calls in flight") struct OpenCallsTests {
    private func at(_ seconds: Int) -> Instant { dawn.adding(.seconds(seconds)) }

    @Test("expire oldest first, those begun before the deadline only")
    func expiryOrder() {
        var calls = OpenCalls()
        for number in 0..<6 {
            calls.open(UInt128(number), LabelValue("a\(number)"), at(number))
        }
        calls.close(Digest(bits: 1))
        #expect(calls.begun(before: at(4)).map(\.agentName) == ["a0", "a2", "a3"])
        #expect(calls.begun(before: at(0)).isEmpty)
        calls.removeAll(agentName: "a0")
        #expect(calls.begun(before: at(100)).map(\.agentName) == ["a2", "a3", "a4", "a5"])
        #expect(calls.count == 4)
        #expect(calls[Digest(bits: 2)]?.agentName == "a2")
        #expect(calls[Digest(bits: 1)] == nil)
    }

    @Test("a call begun again counts from its new beginning")
    func reopened() {
        var calls = OpenCalls()
        calls.open(1, "A", at(0))
        calls.open(2, "B", at(1))
        calls.close(Digest(bits: 1))
        calls.open(1, "A", at(10))
        #expect(calls.begun(before: at(5)).map(\.agentName) == ["B"])
        #expect(calls.begun(before: at(11)).map(\.agentName) == ["B", "A"])
    }

    @Test("take no more room for the ended ones behind a long call")
    func boundedMemory() throws {
        var calls = OpenCalls()
        calls.open(0, "Long", at(0))
        for number in 1...50_000 as ClosedRange<UInt128> {
            calls.open(number, "Short", at(1))
            calls.close(Digest(bits: number))
        }
        let order = try #require(
            Mirror(reflecting: calls).descendant("order", "entries") as? [(id: Digest, number: Int64)])
        #expect(order.count <= 1_030)
        #expect(calls.count == 1)
        #expect(calls.begun(before: at(1)).map(\.agentName) == ["Long"])
    }

    @Test("agree with a plain list, whatever comes")
    func agreesWithPlainList() {
        var random = Seeded(3)
        var calls = OpenCalls()
        var plain: [(id: Digest, agentName: LabelValue, begun: Instant)] = []
        for step in 0..<8_000 {
            let now = at(step)
            if Int.random(in: 0..<100, using: &random) < 52 {
                let id = Digest(bits: UInt128(step))
                let agentName = LabelValue("a\(step % 3)")
                calls.open(UInt128(step), agentName, now)
                plain.append((id, agentName, now))
            } else if let place = plain.indices.randomElement(using: &random) {
                calls.close(plain.remove(at: place).id)
            }
            if step % 500 == 499 {
                let deadline = at(Int.random(in: 0...step, using: &random))
                #expect(calls.begun(before: deadline).map(\.id) == plain.filter { $0.begun < deadline }.map(\.id))
                #expect(calls.count == plain.count)
            }
        }
    }

    @Test("raise and lower the gauge, in one batch or several", arguments: [true, false])
    func gauge(inOneBatch: Bool) {
        func end(_ id: RecordID) -> Event { .end(CallRecord(labels: SeriesLabels("A"), id: id)) }
        let steps: [(Event, Int64)] = [
            (.started("A", .example(1)), 1), (.started("A", .example(2)), 2), (.started("A", .example(1)), 2),
            (end(.example(1)), 1), (end(.example(1)), 1), (end(.example(3)), 1), (.started("A", .example(3)), 1),
            (end(.example(2)), 0),
        ]
        var state = LedgerState.example()
        if inOneBatch {
            state.take(steps.map(\.0))
        } else {
            for (event, active) in steps {
                state.take([event])
                #expect(state.active("A") == active)
            }
        }
        #expect(state.active("A") == 0)
        #expect(state.openCalls.count == 0)
        #expect(state.totals(SeriesLabels("A"))?.calls.total == 3)
    }

    @Test("an expired lease lowers the gauge once; the end counts and lowers nothing")
    func lease() {
        var state = LedgerState.example()
        state.take([.started("A", .example(1)), .started("A", .example(2))], now: at(0))
        state.expire(begunBefore: at(0))
        #expect(state.active("A") == 2)
        state.expire(begunBefore: at(1))
        state.expire(begunBefore: at(1))
        #expect(state.active("A") == 0)
        #expect(state.registry.agents["A"]?.expiredCalls == 2)
        state.take([.end(CallRecord(labels: SeriesLabels("A"), id: .example(1)))], now: at(2))
        #expect(state.active("A") == 0)
        #expect(state.totals(SeriesLabels("A"))?.calls.total == 1)
    }

    @Test("an end and the end of the lease in one batch lower the gauge once", arguments: [true, false])
    func leaseWithinBatch(expiresFirst: Bool) throws {
        var state = LedgerState.example()
        state.take([.started("A", .example(1))], now: at(0))
        let end = Event.end(CallRecord(labels: SeriesLabels("A"), id: .example(1)))
        var batch = state.batch(now: at(1))
        if expiresFirst { batch.expireCalls(begunBefore: at(1), onto: state) }
        #expect(try batch.fold(end, onto: state) == .accepted)
        if !expiresFirst { batch.expireCalls(begunBefore: at(1), onto: state) }
        state.adopt(batch)
        #expect(state.active("A") == 0)
        #expect(state.openCalls.count == 0)
        #expect(state.registry.agents["A"]?.expiredCalls == (expiresFirst ? 1 : 0))
    }

    @Test("a start repeated after its id was forgotten raises the gauge once")
    func startOutlivesItsID() {
        var state = LedgerState.example(window: .seconds(1))
        state.take([.started("A", .example(1))], now: at(0))
        #expect(state.take([.started("A", .example(1))], now: at(5)) == [.duplicate])
        #expect(state.active("A") == 1)
        state.take([.end(CallRecord(labels: SeriesLabels("A"), id: .example(1)))], now: at(6))
        #expect(state.active("A") == 0)
        #expect(state.openCalls.count == 0)
    }

    // MARK: Too many

    /// Starts calls one after the other, in batches of `size`.
    private func state(limit: Int, starting senders: [Sender], batchesOf size: Int) throws -> LedgerState {
        var state = LedgerState.example(openCalls: OpenCalls(limit: limit))
        for first in stride(from: 0, to: senders.count, by: size) {
            var batch = state.batch(now: at(first))
            for (number, sender) in zip(first..<first + size, senders[first...]) {
                let event = Event.started("A", .example(UInt128(number)))
                #expect(try batch.fold(event, from: sender, onto: state) == .accepted)
            }
            batch.expireExcessCalls(onto: state)
            state.adopt(batch)
            #expect(state.openCalls.count == min(limit, first + size, senders.count))
        }
        return state
    }

    private func starts(of state: LedgerState) -> [Int64] { state.openCalls.all.map(\.number).sorted() }

    @Test("past the limit the sender with the most calls loses its oldest, and nobody else loses any")
    func flood() throws {
        let flood = Sender("address 192.0.2.1")
        let others = [Sender("user ann"), Sender("token ci")]
        let senders = [others[0]] + Array(repeating: flood, count: 300) + [others[1], others[0]]
        let state = try state(limit: 100, starting: senders, batchesOf: 7)
        // Numbers begin at 1: ann's first start stays, of the flood the last 97.
        #expect(starts(of: state) == [1] + Array(205...303))
        #expect(state.active("A") == 100)
        #expect(state.registry.agents["A"]?.expiredCalls == 203)
    }

    @Test("of senders with equally many calls the oldest of all goes first")
    func tie() throws {
        let senders = (0..<10).map { Sender("address 192.0.2.\($0)") }
        let state = try state(limit: 6, starting: senders, batchesOf: 3)
        #expect(starts(of: state) == Array(5...10))
    }

    @Test("what expires does not depend on how many starts are handled at once", arguments: 0..<20)
    func excess(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        let limit = 30
        let counts = Dictionary(
            uniqueKeysWithValues: (0..<6).map { (Sender("\($0)"), Int.random(in: 0...20, using: &random)) })
        var queues: [Sender: [Int64]] = [:]
        var number: Int64 = 0
        for (sender, count) in counts {
            for _ in 0..<count {
                number += Int64.random(in: 1...3, using: &random)
                queues[sender, default: []].append(number)
            }
        }
        let excess = max(0, counts.values.reduce(0, +) - limit)
        guard excess > 0 else { return }
        let losses = CallExcess(excess, of: counts) { queues[$0]?[$1] ?? .max }.losses
        // One after the other, as the rule says it.
        var expected: [Sender: Int] = [:]
        var rest = queues
        for _ in 0..<excess {
            let most = try #require(rest.values.map(\.count).max())
            let first = try #require(
                rest.filter { $0.value.count == most }.min { $0.value[0] < $1.value[0] }?.key)
            rest[first]?.removeFirst()
            expected[first, default: 0] += 1
        }
        #expect(losses == expected)
    }

    @Test("calls that end in the same batch make room, and an expired call's end counts and lowers nothing")
    func endsMakeRoom() throws {
        var state = try state(limit: 3, starting: Array(repeating: Sender("user ann"), count: 3), batchesOf: 3)
        func end(_ number: UInt128) -> Event { .end(CallRecord(labels: SeriesLabels("A"), id: .example(number))) }
        var batch = state.batch(now: at(9))
        for event in [.started("A", .example(7)), end(1), .started("A", .example(8))] {
            _ = try batch.fold(event, from: Sender("user ann"), onto: state)
        }
        batch.expireExcessCalls(onto: state)
        state.adopt(batch)
        #expect(state.active("A") == 3)
        #expect(state.registry.agents["A"]?.expiredCalls == 1)
        // The call that expired is the oldest one, number 0.
        state.take([end(0)])
        #expect(state.active("A") == 3)
        #expect(state.totals(SeriesLabels("A"))?.calls.total == 2)
        state.take([end(2), end(7), end(8)])
        #expect(state.active("A") == 0)
        #expect(state.openCalls.count == 0)
    }

    @Test("one batch with more starts than the limit keeps the last of them")
    func oneLargeBatch() throws {
        let senders = Array(repeating: Sender("user ann"), count: 50)
        let state = try state(limit: 10, starting: senders, batchesOf: 50)
        #expect(starts(of: state) == Array(41...50))
        #expect(state.recentIDs.count == 50)
    }
}
