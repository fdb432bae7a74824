import Testing

@testable import Ledger
@testable import Model

@Suite("Bytes that wait") struct WaitingBytesTests {
    @Test("a client that is alone may use the limit; one submission always finds room")
    func alone() {
        var waiting = WaitingBytes()
        #expect(waiting.hasRoom(for: 500, of: 1, limit: 100))
        waiting.add(99, of: 1)
        #expect(waiting.hasRoom(for: 500, of: 1, limit: 100))
        waiting.add(1, of: 1)
        #expect(!waiting.hasRoom(for: 1, of: 1, limit: 100))
        waiting.remove(1, of: 1)
        #expect(waiting.hasRoom(for: 1, of: 1, limit: 100))
    }

    @Test("beyond the limit others have their share of as much again")
    func shares() {
        var waiting = WaitingBytes()
        waiting.add(100, of: 1)
        #expect(waiting.hasRoom(for: 50, of: 2, limit: 100))
        #expect(!waiting.hasRoom(for: 51, of: 2, limit: 100))
        waiting.add(50, of: 2)
        #expect(!waiting.hasRoom(for: 1, of: 2, limit: 100))
        #expect(!waiting.hasRoom(for: 1, of: 1, limit: 100))
        #expect(waiting.hasRoom(for: 33, of: 3, limit: 100))
        waiting.add(50, of: 3)
        #expect(!waiting.hasRoom(for: 1, of: 4, limit: 100), "no more than twice the limit")
        waiting.remove(100, of: 1)
        #expect(waiting.bytes == 100)
        waiting.remove(50, of: 2)
        #expect(waiting.hasRoom(for: 1000, of: 3, limit: 100))
    }

    private static func submission(_ client: UInt64, events: Int) -> Request {
        let labels = SeriesLabels(agentName: LabelValue("a"), provider: LabelValue("p"), model: LabelValue("m"))
        return .submission(
            Submission(
                events: (0..<events).map { ($0, .end(CallRecord(labels: labels))) }, links: [], from: .unknown,
                client: client, bytes: 0, reply: { _ in }))
    }

    @Test("clients take turns in the batches of a long mailbox, each in its own order")
    func turns() {
        var mailbox = Mailbox()
        mailbox.requests =
            (0..<6).map { _ in Self.submission(1, events: 6000) }
            + [Self.submission(2, events: 10), .pulse({}), Self.submission(2, events: 20)]
        func next() -> [String] {
            mailbox.takeRequests().map { request in
                guard case .submission(let submission) = request else { return "pulse" }
                return "\(submission.client): \(submission.events.count)"
            }
        }
        #expect(next() == ["1: 6000", "1: 6000", "2: 10", "pulse", "2: 20"])
        #expect(next() == ["1: 6000", "1: 6000"])
        #expect(next() == ["1: 6000", "1: 6000"])
        #expect(next().isEmpty)
    }
}
