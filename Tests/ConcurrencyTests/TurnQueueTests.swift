import Concurrency
import Dispatch
import Testing

@Suite("A queue of turns") struct TurnQueueTests {
    /// Work that notes its turns.
    private final class Job: TurnTaker {
        let name: String
        let client: UInt64
        let weight: Int
        private let turns: Locked<Int>
        private let note: @Sendable (Job, _ left: Int) -> Bool

        /// - Parameter note: called in each turn with the turns that are left; returns whether it is ready for another.
        init(
            _ name: String, of client: UInt64, turns: Int, weight: Int = 1,
            _ note: @escaping @Sendable (Job, Int) -> Bool
        ) {
            self.name = name
            self.client = client
            self.weight = weight
            self.turns = Locked(turns)
            self.note = note
        }

        func takeTurn() -> Bool {
            let left = turns.withLock { turns in
                turns -= 1
                return turns
            }
            return note(self, left)
        }
    }

    private let order = Locked<[String]>([])
    private let idle = DispatchSemaphore(value: 0)
    private let gate = DispatchSemaphore(value: 0)

    /// A queue whose first job keeps it busy until `gate` opens.
    private func heldQueue(weightLimit: Int = 4) -> TurnQueue<Job> {
        let queue = TurnQueue<Job>(label: "test", weightLimit: weightLimit) { [idle] in idle.signal() }
        queue.add(
            Job("gate", of: 0, turns: 1) { [gate, queue] job, _ in
                gate.wait()
                queue.end(job)
                return false
            })
        return queue
    }

    private func add(
        _ name: String, of client: UInt64, turns: Int, weight: Int = 1, to queue: TurnQueue<Job>
    ) {
        queue.add(
            Job(name, of: client, turns: turns, weight: weight) { [order, queue] job, left in
                order.withLock { $0.append(job.name) }
                if left == 0 { queue.end(job) }
                return left > 0
            })
    }

    private func finish() throws -> [String] {
        gate.signal()
        try #require(idle.wait(timeout: .now() + 10) == .success)
        return order.withLock { $0 }
    }

    @Test("a client's jobs are done one after the other, and clients take turns")
    func turns() throws {
        let queue = heldQueue()
        add("a1", of: 1, turns: 3, to: queue)
        add("a2", of: 1, turns: 2, to: queue)
        add("b", of: 2, turns: 2, to: queue)
        add("c", of: 3, turns: 1, to: queue)
        #expect(try finish() == ["a1", "b", "c", "a1", "b", "a1", "a2", "a2"])
    }

    @Test("work beyond the weight limit waits; heavy work runs alone, and lighter work cannot always overtake it")
    func weight() throws {
        let queue = heldQueue(weightLimit: 2)
        add("a", of: 1, turns: 2, to: queue)
        add("heavy", of: 2, turns: 2, weight: 2, to: queue)
        add("c", of: 3, turns: 2, to: queue)
        add("d", of: 4, turns: 1, to: queue)
        #expect(try finish() == ["a", "a", "heavy", "heavy", "c", "d", "c"])
    }

    @Test("work that waits has its next turn once it is resumed, also if that was during its turn")
    func resumed() throws {
        let queue = heldQueue()
        let waits = DispatchSemaphore(value: 0)
        let x = Job("x", of: 1, turns: 3) { [order, queue] job, left in
            order.withLock { $0.append("x\(left)") }
            switch left {
            case 2: queue.resume(job)
            case 1: waits.signal()
            default: queue.end(job)
            }
            return false
        }
        queue.add(x)
        let job = Job("late", of: 2, turns: 2) { [order, queue] job, left in
            order.withLock { $0.append("late\(left)") }
            if left == 0 { queue.end(job) }
            return false
        }
        queue.add(job)
        gate.signal()
        try #require(waits.wait(timeout: .now() + 10) == .success)
        #expect(order.withLock { $0 } == ["x2", "late1", "x1"])
        queue.resume(job)
        queue.resume(x)
        try #require(idle.wait(timeout: .now() + 10) == .success)
        #expect(order.withLock { Set($0.suffix(2)) } == ["late0", "x0"])
    }

    @Test("what is done is resumed in vain")
    func ended() throws {
        let queue = heldQueue()
        let job = Job("x", of: 1, turns: 1) { [order, queue] job, _ in
            order.withLock { $0.append("x") }
            queue.end(job)
            return true
        }
        queue.add(job)
        #expect(try finish() == ["x"])
        queue.resume(job)
        add("y", of: 1, turns: 1, to: queue)
        try #require(idle.wait(timeout: .now() + 10) == .success)
        #expect(order.withLock { $0 } == ["x", "y"])
    }
}
