private import Bodies
private import CHTTPShim

/// Serves one listening socket with libmicrohttpd: epoll, a pool of threads, bodies gathered up to a limit.
///
/// Knows nothing of what it serves. Requests that contradict themselves reach the handler as faults, with no body.
@safe package final class HTTPServer: @unchecked Sendable {
    // Unchecked: the C server is safe to call from any thread, and `stop` is the owner's last call.

    /// Called on a server thread for each request; answers at once or hands the responder on. It must not wait.
    package typealias Handler = @Sendable (borrowing Request, Responder) -> Void

    /// Called on a server thread for each request whose headers are in and whose body is not read; must not wait.
    package typealias Gate = @Sendable (borrowing Request, Admission) -> Void

    /// Called likewise: whether anybody reads the body. Where nobody does it takes no memory.
    package typealias BodyQuestion = @Sendable (borrowing Request) -> Bool

    private let server: OpaquePointer
    private let socket: ListeningSocket
    private let callbacks: Unmanaged<Callbacks>

    package struct Limits: Sendable {
        /// Largest body in bytes as it comes over the wire.
        package var bodyLimitBytes = 32 << 20
        package var connections = 4096
        /// 0 for as many as there may be in all.
        package var connectionsPerAddress = 0
        package var threads = 2
        /// Seconds without a byte. Longer than the usual scrape interval of 15 s, so that scrapes keep their connection;
        /// not much longer, because libmicrohttpd 0.9.75 misses the end of a peer that arrives together with the last
        /// part of an unfinished request (an edge of epoll that it takes for read), and only this timer finds it.
        package var idleTimeoutSeconds = 20

        package init() {}
    }

    private final class Callbacks: Sendable {
        let handle: Handler
        let admit: Gate?
        let readsBody: BodyQuestion
        let flush: (@Sendable () -> Void)?
        let log: @Sendable (String) -> Void

        init(
            handle: @escaping Handler, admit: Gate?, readsBody: @escaping BodyQuestion,
            flush: (@Sendable () -> Void)?, log: @escaping @Sendable (String) -> Void
        ) {
            self.handle = handle
            self.admit = admit
            self.readsBody = readsBody
            self.flush = flush
            self.log = log
        }
    }

    /// - Parameters:
    ///   - socket: taken over.
    ///   - tlsPriorities: as GnuTLS writes them, to speak TLS as the `TLSIdentity` in use; `nil` speaks plain HTTP.
    ///   - admit: `nil` admits all.
    ///   - flush: called on a server thread when it has read what had arrived, so that `handler` can put off to it what it
    ///     gathers. Answers that it gives cost no suspended connection.
    ///   - log: what libmicrohttpd has to say; may quote a client, so it belongs at debug level.
    package init(
        socket: ListeningSocket, limits: Limits, tlsPriorities: String?, log: @escaping @Sendable (String) -> Void,
        flush: (@Sendable () -> Void)?, admit: Gate?, readsBody: @escaping BodyQuestion, handler: @escaping Handler
    ) throws(HTTPServerError) {
        let callbacks = unsafe Unmanaged.passRetained(
            Callbacks(handle: handler, admit: admit, readsBody: readsBody, flush: flush, log: log))
        var options = unsafe chttpshim_options()
        unsafe options.listen_socket = socket.descriptor
        unsafe options.threads = UInt32(limits.threads)
        unsafe options.connections_per_address = UInt32(limits.connectionsPerAddress)
        unsafe options.connection_limit = UInt32(limits.connections)
        unsafe options.idle_timeout_seconds = UInt32(limits.idleTimeoutSeconds)
        unsafe options.body_limit_bytes = limits.bodyLimitBytes
        unsafe options.body_padding_bytes = PaddedBytes.padding
        unsafe options.context = callbacks.toOpaque()
        // These closures are called from C threads: they capture nothing and inherit no actor.
        unsafe options.reads_body = { context, exchange in
            guard let context = unsafe context, let exchange = unsafe exchange else { return false }
            let callbacks = unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue()
            return callbacks.readsBody(unsafe Request(exchange: exchange))
        }
        unsafe options.handle = { context, exchange in
            guard let context = unsafe context, let exchange = unsafe exchange else { return }
            let callbacks = unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue()
            let responder = unsafe Responder(exchange: exchange)
            callbacks.handle(unsafe Request(exchange: exchange), responder)
        }
        if admit != nil {
            unsafe options.admit = { context, exchange in
                guard let context = unsafe context, let exchange = unsafe exchange else { return }
                let callbacks = unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue()
                let admission = unsafe Admission(exchange: exchange)
                callbacks.admit?(unsafe Request(exchange: exchange), admission)
            }
        }
        if flush != nil {
            unsafe options.flush = { context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue().flush?()
            }
        }
        unsafe options.log = { context, message in
            guard let context = unsafe context, let message = unsafe message else { return }
            let callbacks = unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue()
            callbacks.log(unsafe String(cString: message))
        }
        let started = unsafe Self.withOptionalCString(tlsPriorities) { priorities in
            unsafe options.tls_priorities = priorities
            return unsafe chttpshim_server_start(&options)
        }
        guard let server = unsafe started else {
            unsafe callbacks.release()
            throw .cannotStart
        }
        unsafe self.server = server
        self.socket = socket
        unsafe self.callbacks = callbacks
    }

    private static func withOptionalCString<Result>(
        _ text: String?, _ body: (UnsafePointer<CChar>?) -> Result
    ) -> Result {
        guard let text else { return body(nil) }
        return unsafe text.withCString(body)
    }

    /// Marks requests that come from now on as draining, and closes each connection with its next answer. New connections to
    /// a shared socket are left to whoever serves it next.
    package func drain() {
        if socket.isShared { _ = chttpshim_leave_socket(socket.descriptor) }
        unsafe chttpshim_server_drain(server)
    }

    /// Ends connections that have taken too long over a request or an answer: 30 s, and a second for each 16 KiB. To be called
    /// every second or so.
    package func endLateConnections() {
        unsafe chttpshim_server_end_late(server)
    }

    /// Ends connections that have been reading one answer for this long, to have the memory of those answers back.
    package func endSlowAnswers(after seconds: Int) {
        unsafe chttpshim_server_end_slow_answers(server, UInt32(seconds))
    }

    /// Requests between their headers and the end of their answer.
    package var requestsInFlight: Int {
        Int(unsafe chttpshim_server_requests_in_flight(server))
    }

    /// Ends all connections, once the requests that the handler holds are answered. The owner's last call.
    package func stop() {
        unsafe chttpshim_server_stop(server)
        unsafe callbacks.release()
    }

    /// The version of libmicrohttpd that runs.
    package static var libraryVersion: String {
        unsafe String(cString: chttpshim_library_version())
    }
}
