import Concurrency
import FoundationEssentials
import LoopbackServer

/// An exporter that counts posted lines as the real one does: each id once.
///
/// A line without `"id"` gets one from the `Idempotency-Key` and its place in the body. A line that holds `bad` is
/// rejected.
final class CountingExporter: Sendable {
    struct Post: Sendable {
        let key: String
        let lines: [String]
    }

    /// What it does with one post.
    enum Behaviour: Sendable {
        case count
        /// Counts, and closes the connection without an answer.
        case countAndHangUp
        case hangUp
        /// Answers with the status of a refusal, without counting.
        case refuse(Int, detail: String = "not now", retryAfter: Int? = nil)
        /// Answers 200 with this body, without counting.
        case say(String)
    }

    private struct State {
        var posts: [Post] = []
        var counted: Set<String> = []

        /// - Returns: the answer.
        mutating func count(_ post: Post) -> String {
            var accepted = 0
            var duplicates = 0
            var errors: [String] = []
            for (index, line) in post.lines.enumerated() {
                if line.contains("bad") {
                    errors.append(#"{"index":\#(index),"message":"model is missing (line \#(index + 1))"}"#)
                } else if counted.insert(id(of: line) ?? "\(post.key)/\(index)").inserted {
                    accepted += 1
                } else {
                    duplicates += 1
                }
            }
            let warnings = post.lines.contains { $0.contains("odd") } ? #"["unknown field \"odd\" ignored"]"# : "[]"
            return #"{"accepted":\#(accepted),"duplicates":\#(duplicates),"rejected":\#(errors.count),"#
                + #""errors":[\#(errors.joined(separator: ","))],"warnings":\#(warnings)}"#
        }

        private func id(of line: String) -> String? {
            struct Record: Decodable { let id: String? }
            return (try? JSONDecoder().decode(Record.self, from: Data(line.utf8)))?.id
        }
    }

    private let state: Locked<State>
    private let server: LoopbackServer

    var url: String { server.url }
    var posts: [Post] { state.withLock { $0.posts } }
    /// Ids that were counted.
    var counted: Set<String> { state.withLock { $0.counted } }
    var connectionCount: Int { server.connectionCount }
    var requests: [LoopbackServer.Request] { server.requests }

    /// - Parameter behaviour: what it does with a post; its number counts from 0.
    init(behaviour: @escaping @Sendable (_ number: Int, _ post: Post) -> Behaviour = { _, _ in .count }) throws {
        let state = Locked(State())
        self.state = state
        server = try LoopbackServer { request in
            guard request.method == "POST", request.path == "/record" else { return .answer(status: 404, body: []) }
            let key = request.headers.first { $0.hasPrefix("Idempotency-Key: ") }.map { String($0.dropFirst(17)) } ?? ""
            let text = String(decoding: request.body, as: UTF8.self)
            let post = Post(key: key, lines: text.split(separator: "\n").map(String.init))
            let number = state.withLock {
                $0.posts.append(post)
                return $0.posts.count - 1
            }
            switch behaviour(number, post) {
            case .count:
                return .answer(status: 200, body: Array(state.withLock { $0.count(post) }.utf8))
            case .countAndHangUp:
                _ = state.withLock { $0.count(post) }
                return .hangUp
            case .hangUp:
                return .hangUp
            case .refuse(let status, let detail, let retryAfter):
                let problem = #"{"title":"refused","status":\#(status),"detail":"\#(detail)"}"#
                return .answer(
                    status: status, body: Array(problem.utf8), headers: retryAfter.map { ["Retry-After: \($0)"] } ?? [])
            case .say(let body):
                return .answer(status: 200, body: Array(body.utf8))
            }
        }
    }
}
