import Bodies
import Concurrency
import Glibc
import HTTP

/// A service whose two stages are the test's own.
final class ScriptedService: HTTPService {
    private let opening: @Sendable (borrowing Exchange) -> Void
    private let handling: @Sendable (borrowing Exchange) -> Void
    private let flushing: (@Sendable () -> Void)?
    private let http2Refusals = Locked(0)

    /// How often a client was refused because it speaks HTTP/2.
    var refusedHTTP2Count: Int { http2Refusals.withLock { $0 } }

    /// By default each request goes on, its body is read, and comes back as the answer.
    init(
        flush: (@Sendable () -> Void)? = nil,
        open: @escaping @Sendable (borrowing Exchange) -> Void = { $0.answering.proceed(.read) },
        handle: @escaping @Sendable (borrowing Exchange) -> Void = ScriptedService.echo
    ) {
        opening = open
        flushing = flush
        handling = handle
    }

    func open(_ exchange: borrowing Exchange) { opening(exchange) }
    func handle(_ exchange: borrowing Exchange) { handling(exchange) }
    var gathers: Bool { flushing != nil }
    func flush() { flushing?() }
    func log(_ message: String) {}
    func refusedHTTP2() { http2Refusals.withLock { $0 += 1 } }

    static func echo(_ exchange: borrowing Exchange) {
        if let fault = exchange.fault {
            exchange.answering.answer(.text(500, "\(fault)"))
            return
        }
        let body = exchange.takeBody()
        let text = unsafe body.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        exchange.answering.answer(.text(200, "\(exchange.method) \(exchange.path) \(text)"))
    }
}

/// A server on a free port of loopback, for as long as `body` runs.
func serving(
    _ service: ScriptedService, bodyLimitBytes: Int = 1 << 20, bodyMemoryBytes: Int = 64 << 20,
    _ body: (String, HTTPServer) throws -> Void
) throws {
    let socket = try ListeningSocket(host: "127.0.0.1", port: 0)
    let server = try HTTPServer(
        service, on: socket,
        limits: .init(
            bodyBytes: bodyLimitBytes, bodyMemoryBytes: bodyMemoryBytes, connections: 64, connectionsPerAddress: 0,
            threads: 2),
        tlsPriorities: nil)
    defer { server.stop() }
    try body(socket.address, server)
}

/// Whether something comes true within five seconds.
func eventually(_ condition: () -> Bool) -> Bool {
    let limit = ContinuousClock.now + .seconds(5)
    while ContinuousClock.now < limit {
        if condition() { return true }
        usleep(1000)
    }
    return condition()
}
