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
            Mirror(reflecting: calls).children.first { $0.label == "order" }?.value as? [(id: Digest, begun: Instant)])
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

    @Test("find room up to their limit, repeated starts and those already ended apart")
    func room() {
        var state = LedgerState.example()
        let limit = UInt128(OpenCalls.limit)
        state.take((0..<limit - 2).map { .started("A", .example($0)) })
        state.take([.end(CallRecord(labels: SeriesLabels("A"), id: .example(limit + 50)))])
        func hasRoom(_ numbers: [UInt128], in batch: Batch? = nil) -> Bool {
            let events = numbers.map { (index: 0, event: Event.started("A", .example($0))) }
            return (batch ?? state.batch()).hasRoomForStarts(of: events, onto: state)
        }
        #expect(hasRoom([]))
        #expect(hasRoom([limit, limit + 1]))
        #expect(!hasRoom([limit, limit + 1, limit + 2]))
        #expect(hasRoom([limit, limit + 1, limit + 1, limit]))
        #expect(hasRoom([limit, limit + 1, 0, 1, 2]))
        #expect(hasRoom([limit, limit + 1, limit + 50]))
        var batch = state.batch()
        _ = try? batch.fold(.started("A", .example(limit)), onto: state)
        #expect(hasRoom([limit + 1, limit], in: batch))
        #expect(!hasRoom([limit + 1, limit + 2], in: batch))
        _ = try? batch.fold(
            .end(CallRecord(labels: SeriesLabels("A"), id: .example(0))), onto: state)
        #expect(hasRoom([limit + 1, limit + 2], in: batch))
        state.adopt(batch)
        #expect(state.openCalls.count == OpenCalls.limit - 2)
    }
}
