import Concurrency
import Dispatch
import Glibc

/// A tiny real HTTP server on a free port of 127.0.0.1, for tests.
///
/// Each connection has a thread; each request of it is answered by the closure given, in order.
@safe package final class LoopbackServer: Sendable {
    /// A request as it arrived.
    package struct Request: Sendable {
        package let method: String
        package let path: String
        /// The lines between request line and body, as sent.
        package let headers: [String]
        package let body: [UInt8]
    }

    /// What the server does about a request.
    package enum Reply: Sendable {
        case answer(status: Int, body: [UInt8], headers: [String] = [])
        /// The connection stays open, without an answer.
        case silence
        /// The connection closes without an answer.
        case hangUp
    }

    /// What the threads share. It is not part of the server, so that they do not keep the server alive.
    private final class Log: Sendable {
        struct State {
            var accepted = 0
            var open: Set<Int32> = []
            var requests: [Request] = []
        }
        let state = Locked(State())
    }

    private let listener: Int32
    private let log = Log()
    package let port: UInt16

    package var url: String { "http://127.0.0.1:\(port)" }
    /// Connections accepted so far.
    package var connectionCount: Int { log.state.withLock { $0.accepted } }
    /// Requests read so far, in order of arrival.
    package var requests: [Request] { log.state.withLock { $0.requests } }

    package struct CannotListen: Error {
        package let errno: Int32
    }

    /// Listens, and answers each request by `reply`, called on the connection's thread.
    package init(reply: @escaping @Sendable (Request) -> Reply) throws {
        let (listener, port) = try Self.listen()
        self.listener = listener
        self.port = port
        DispatchQueue(label: "loopback.accept").async { [log] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else {
                    // EINVAL is the server's end. Only this loop closes the listener: otherwise it could accept from a
                    // descriptor that another server got meanwhile.
                    if errno != EINVAL { continue }
                    close(listener)
                    return
                }
                log.state.withLock {
                    $0.accepted += 1
                    $0.open.insert(connection)
                }
                DispatchQueue(label: "loopback.connection").async {
                    Self.serve(connection, log, reply)
                    // Under the lock, so that the server's end cannot shut down a descriptor that is in use again.
                    log.state.withLock {
                        $0.open.remove(connection)
                        _ = close(connection)
                    }
                }
            }
        }
    }

    deinit {
        // After this `accept` returns an error, which ends the loop; the loop closes the listener.
        _ = shutdown(listener, Int32(SHUT_RDWR))
        log.state.withLock {
            for connection in $0.open { _ = shutdown(connection, Int32(SHUT_RDWR)) }
        }
    }

    /// A port on which nothing listens when this returns.
    package static func closedPort() throws -> UInt16 {
        let (listener, port) = try listen()
        close(listener)
        return port
    }

    private static func listen() throws -> (listener: Int32, port: UInt16) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard listener >= 0 else { throw CannotListen(errno: errno) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr = in_addr(s_addr: UInt32(0x7F00_0001).bigEndian)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        // Safe: the address is a local variable that outlives the calls, of the size that is given with it.
        let failed = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                unsafe bind(listener, generic, length) != 0 || Glibc.listen(listener, 16) != 0
                    || getsockname(listener, generic, &length) != 0
            }
        }
        guard !failed else {
            close(listener)
            throw CannotListen(errno: errno)
        }
        return (listener, UInt16(bigEndian: address.sin_port))
    }

    private static func serve(_ connection: Int32, _ log: Log, _ reply: (Request) -> Reply) {
        var buffer: [UInt8] = []
        while let request = nextRequest(connection, &buffer) {
            log.state.withLock { $0.requests.append(request) }
            switch reply(request) {
            case .answer(let status, let body, let headers):
                let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.count)"] + headers
                let head = lines.joined(separator: "\r\n") + "\r\n\r\n"
                guard write(connection, Array(head.utf8) + (request.method == "HEAD" ? [] : body)) else { return }
            case .silence:
                while !receive(connection, &buffer) {}
                return
            case .hangUp:
                return
            }
        }
    }

    /// Reads a head and its body; `nil` at the end of the stream.
    private static func nextRequest(_ connection: Int32, _ buffer: inout [UInt8]) -> Request? {
        var headEnd = end(ofHeadIn: buffer)
        while headEnd == nil {
            guard receive(connection, &buffer) else { return nil }
            headEnd = end(ofHeadIn: buffer)
        }
        guard let headEnd else { return nil }
        let lines = String(decoding: buffer[..<headEnd], as: UTF8.self).split(separator: "\r\n").map(String.init)
        let length =
            lines.first { $0.lowercased().hasPrefix("content-length:") }
            .flatMap { Int($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) } ?? 0
        while buffer.count < headEnd + length {
            guard receive(connection, &buffer) else { return nil }
        }
        let body = Array(buffer[headEnd..<(headEnd + length)])
        buffer.removeFirst(headEnd + length)
        let words = lines[0].split(separator: " ").map(String.init)
        return Request(method: words[0], path: words[1], headers: Array(lines.dropFirst()), body: body)
    }

    /// The offset just past the empty line that ends a head.
    private static func end(ofHeadIn buffer: [UInt8]) -> Int? {
        let mark = Array("\r\n\r\n".utf8)
        guard buffer.count >= mark.count else { return nil }
        return (0...(buffer.count - mark.count)).first { buffer[$0...].starts(with: mark) }.map { $0 + mark.count }
    }

    private static func receive(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var piece = [UInt8](repeating: 0, count: 65_536)
        // Safe: the array is as long as the count that is given with it.
        let count = unsafe recv(connection, &piece, piece.count, 0)
        guard count > 0 else { return false }
        buffer += piece[..<count]
        return true
    }

    private static func write(_ connection: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest)
            // Safe: the array is as long as the count that is given with it.
            let count = unsafe send(connection, piece, piece.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
