import Bodies
import Concurrency
import Model

/// The last records and posts that were rejected: it shows operators who sends what cannot be counted.
///
/// In memory, since the start. It holds nothing of the content but the agent's name.
final class Rejections: Sendable {
    struct Rejection: Sendable {
        let time: Instant
        /// The client's address.
        let peer: String
        /// The path of the route table.
        let route: String
        /// `nil` if the record has no valid one.
        let agentName: LabelValue?
        /// `nil` if the record or the body as a whole is at fault.
        let field: String?
        let code: String
    }

    static let limit = 100
    private let last = Locked<[Rejection]>([])

    /// - Parameter rejections: in the order of the body.
    func add(_ rejections: [Rejection]) {
        last.withLock { last in
            last.append(contentsOf: rejections.suffix(Self.limit))
            last.removeFirst(max(0, last.count - Self.limit))
        }
    }

    var newestFirst: [Rejection] { last.withLock { $0.reversed() } }
}

extension Rejections.Rejection {
    func write(to json: inout JSONWriter) {
        json.key("time")
        json.string(time.rfc3339Milliseconds)
        for (key, text) in [
            ("peer", peer), ("route", route), ("agent_name", agentName?.text), ("field", field), ("code", code),
        ] {
            json.key(key)
            if let text { json.string(text) } else { json.null() }
        }
    }
}
