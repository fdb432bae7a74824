private import Bodies
private import CHTTPShim

/// A service behind a server. Called on server threads; it must not wait.
package protocol HTTPService: AnyObject, Sendable {
    /// Decides on a request whose headers are in: lets it go on, answers it, or hands `answering` on.
    func open(_ exchange: borrowing Exchange)

    /// Answers a request whose body is in, or hands `answering` on.
    func handle(_ exchange: borrowing Exchange)

    /// Whether `handle` gathers work for `flush`.
    var gathers: Bool { get }

    /// Called when a thread has read what had arrived.
    func flush()

    /// Logs a message of libmicrohttpd's; it may quote a client, so it belongs at debug level.
    func log(_ message: String)

    /// Called on a server thread when a client was refused because it speaks HTTP/2 or later.
    func refusedHTTP2()
}

/// Serves one listening socket with libmicrohttpd: event loops on some threads, bodies gathered up to a limit.
///
/// Ends connections that take too long over a request or an answer: 30 s, and a second for each 16 KiB. Also ends those
/// whose client has gone within a request.
@safe package final class HTTPServer: @unchecked Sendable {
    // Unchecked: the C server is safe to call from any thread, and `stop` is the owner's last call.
    private let server: OpaquePointer
    private let socket: ListeningSocket
    private let service: Unmanaged<Box>

    package struct Limits: Sendable {
        /// Largest body in bytes as it comes over the wire.
        package let bodyBytes: Int
        /// All bodies together, until they are decoded. A quarter more is kept for bodies that arrive in one piece, and
        /// for clients that hold little.
        package let bodyMemoryBytes: Int
        package let connections: Int
        /// 0 for no limit of its own.
        package let connectionsPerAddress: Int
        package let threads: Int

        package init(
            bodyBytes: Int, bodyMemoryBytes: Int, connections: Int, connectionsPerAddress: Int, threads: Int
        ) {
            self.bodyBytes = bodyBytes
            self.bodyMemoryBytes = bodyMemoryBytes
            self.connections = connections
            self.connectionsPerAddress = connectionsPerAddress
            self.threads = threads
        }

        /// Seconds without a byte after which a connection closes. Longer than the usual scrape interval of 15 s, so
        /// that scrapes keep their connection; not much longer, because a client may have vanished without a word.
        fileprivate static let idleSeconds: UInt32 = 20
    }

    /// Whether libmicrohttpd says in a message that it refuses a version of HTTP after 1.1.
    ///
    /// It refuses the preface of HTTP/2 (RFC 9113, section 3.4) as soon as it has read the first line, and this message
    /// is its only call: versions 0.9.75 to 1.0 write the same one. It does not say for which connection.
    static func refusesHTTP2(_ message: String) -> Bool {
        message.hasPrefix("Error processing request (HTTP response code is 505 ") && !message.contains("too old")
    }

    /// The service, as C keeps it: a pointer to one class.
    private final class Box: Sendable {
        let service: any HTTPService

        init(_ service: any HTTPService) { self.service = service }

        // Safe: the server retains its box until it has stopped.
        @safe static func service(_ context: UnsafeMutableRawPointer?) -> (any HTTPService)? {
            guard let context = unsafe context else { return nil }
            return unsafe Unmanaged<Box>.fromOpaque(context).takeUnretainedValue().service
        }
    }

    /// - Parameters:
    ///   - socket: taken over.
    ///   - tlsPriorities: as GnuTLS writes them, to speak TLS under the `TLSIdentity` in force; `nil` speaks plain
    ///     HTTP.
    package init(
        _ service: some HTTPService, on socket: ListeningSocket, limits: Limits, tlsPriorities: String?
    ) throws(HTTPServerError) {
        let box = unsafe Unmanaged.passRetained(Box(service))
        var options = unsafe chttpshim_options()
        unsafe options.listen_socket = socket.descriptor
        unsafe options.threads = UInt32(limits.threads)
        unsafe options.connections_per_address = UInt32(limits.connectionsPerAddress)
        unsafe options.connection_limit = UInt32(limits.connections)
        unsafe options.idle_timeout_seconds = Limits.idleSeconds
        unsafe options.body_limit_bytes = limits.bodyBytes
        unsafe options.body_memory_bytes = limits.bodyMemoryBytes
        unsafe options.body_padding_bytes = PaddedBytes.padding
        unsafe options.context = box.toOpaque()
        // These closures are called from C threads: they capture nothing and inherit no actor.
        unsafe options.open = { context, exchange in
            guard let exchange = unsafe exchange else { return }
            unsafe Box.service(context)?.open(Exchange(ServerExchange(exchange)))
        }
        unsafe options.handle = { context, exchange in
            guard let exchange = unsafe exchange, let resumed = unsafe ServerExchange.resumed(exchange) else { return }
            Box.service(context)?.handle(Exchange(resumed))
        }
        unsafe options.drop = { owner in
            guard let owner = unsafe owner else { return }
            unsafe ServerExchange.drop(owner)
        }
        if service.gathers {
            unsafe options.flush = { context in Box.service(context)?.flush() }
        }
        unsafe options.log = { context, message in
            guard let message = unsafe message else { return }
            let text = unsafe String(cString: message)
            guard let service = Box.service(context) else { return }
            service.log(text)
            if HTTPServer.refusesHTTP2(text) { service.refusedHTTP2() }
        }
        let started = unsafe withOptionalCString(tlsPriorities) { priorities in
            unsafe options.tls_priorities = priorities
            return unsafe chttpshim_server_start(&options)
        }
        guard let server = unsafe started else {
            unsafe box.release()
            throw .cannotStart
        }
        unsafe self.server = server
        self.socket = socket
        unsafe self.service = box
    }

    /// Marks requests that come from now on as draining, and closes each connection with its next answer. New
    /// connections to a shared socket are left to the process that serves it next. Connections whose client has gone
    /// end soon.
    package func drain() {
        unsafe chttpshim_server_drain(server, socket.isShared)
    }

    /// Runs `body`, which decides exchanges. Each server thread whose exchanges it decides is woken once, at its end.
    package static func deciding(_ body: () -> Void) {
        chttpshim_hold_wakes()
        defer { chttpshim_release_wakes() }
        body()
    }

    /// Ends connections that have been reading one answer for this long, to free the memory of those answers.
    package func endSlowAnswers(after seconds: Int) {
        unsafe chttpshim_server_end_slow_answers(server, UInt32(seconds))
    }

    /// Requests between their headers and the end of their answer, and clients that have just connected and are about
    /// to send one.
    package var requestsInFlight: Int {
        Int(unsafe chttpshim_server_requests_in_flight(server))
    }

    /// Ends all connections, once the requests that the service holds are decided. The owner's last call.
    package func stop() {
        unsafe chttpshim_server_stop(server)
        unsafe service.release()
    }

    /// The version of libmicrohttpd that runs.
    package static var libraryVersion: String {
        unsafe String(cString: chttpshim_library_version())
    }
}

/// Why the server cannot run.
package enum HTTPServerError: Error, Sendable {
    /// Another socket listens there.
    case addressInUse
    /// The reason is the system's, such as "Cannot assign requested address".
    case cannotListen(reason: String)
    /// libmicrohttpd refused to start.
    case cannotStart
}

/// Lends a text as a C string; `nil` as NULL.
func withOptionalCString<Result>(_ text: String?, _ body: (UnsafePointer<CChar>?) -> Result) -> Result {
    guard let text else { return body(nil) }
    return unsafe text.withCString(body)
}
