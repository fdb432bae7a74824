import Bodies
import Concurrency
import Dispatch
import HTTP
import Model
import Testing

/// An exchange in memory: a request as a test states it, and the answer that it got.
final class ExchangeDouble: ExchangeSource {
    let method: String
    let path: String
    let fault: RequestFault?
    let peer: String
    var network: String { peer }
    let clientNumber: UInt64 = 1
    func memoryShare() -> (any MemoryShare)? { nil }
    let repeatedHeader: String?
    private let headers: [String: String]
    private let arguments: [(name: String, value: String)]
    private let body: [UInt8]
    private let state = Locked(State())
    private let decided = DispatchSemaphore(value: 0)

    private struct State {
        var tag = 0
        var client: String?
        var decision: Decision?
        var decisions = 0
    }

    enum Decision {
        case answered(Response)
        case abandoned
        case proceeded(BodyTreatment)
    }

    /// - Parameter target: the path, and behind `?` the arguments of the query, both as decoded.
    init(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = [],
        fault: RequestFault? = nil, repeatedHeader: String? = nil, peer: String = "192.0.2.1"
    ) {
        self.method = method
        self.repeatedHeader = repeatedHeader
        self.peer = peer
        let parts = target.split(separator: "?", maxSplits: 1)
        path = String(parts.first ?? "")
        arguments = (parts.count > 1 ? parts[1].split(separator: "&") : []).map { pair in
            let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
            return (sides[0], sides.count > 1 ? sides[1] : "")
        }
        self.headers = Dictionary(uniqueKeysWithValues: headers.map { ($0.key.lowercased(), $0.value) })
        self.body = body
        self.fault = fault
    }

    func header(_ name: StaticString) -> String? { headers["\(name)".lowercased()] }
    func list(_ name: StaticString) -> String? { header(name) }
    var queryCount: Int { arguments.count }
    func query(_ name: StaticString) -> String? { arguments.first { $0.name == "\(name)" }?.value }
    func takeBody() -> PaddedBytes { PaddedBytes(body) }

    var tag: Int {
        get { state.withLock { $0.tag } }
        set { state.withLock { $0.tag = newValue } }
    }

    func answer(_ response: Response) { decide(.answered(response)) }
    func abandon() { decide(.abandoned) }
    var client: String? { state.withLock { $0.client } }

    func proceed(_ body: BodyTreatment, client: String?) {
        state.withLock { $0.client = client }
        decide(.proceeded(body))
    }

    private func decide(_ decision: Decision) {
        state.withLock { state in
            state.decision = decision
            state.decisions += 1
        }
        decided.signal()
    }

    /// The decision, once it is made; each stage of an exchange makes exactly one.
    func decision(_ location: SourceLocation = #_sourceLocation) throws -> Decision {
        try #require(
            decided.wait(timeout: .now() + 20) == .success, "no decision within 20 s", sourceLocation: location)
        let (decision, count) = state.withLock { state in
            defer { state.decisions = 0 }
            return (state.decision, state.decisions)
        }
        #expect(count == 1, "one decision a stage", sourceLocation: location)
        return try #require(decision, sourceLocation: location)
    }
}
