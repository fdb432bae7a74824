private import Bytes
private import CHTTPShim

/// Serves one listening socket with libmicrohttpd: epoll, a pool of threads, bodies gathered up to a limit.
///
/// Knows nothing of what it serves. Requests that contradict themselves reach the handler as faults, with no body.
@safe package final class HTTPServer: @unchecked Sendable {
    // Unchecked: the C server is safe to call from any thread, and `stop` is the owner's last call.

    /// Called on a server thread for each request; answers at once or hands the responder on. It must not wait.
    package typealias Handler = @Sendable (borrowing Request, Responder) -> Void

    private let server: OpaquePointer
    private let socket: ListeningSocket
    private let callbacks: Unmanaged<Callbacks>

    package struct Limits: Sendable {
        /// Largest body in bytes as it comes over the wire.
        package var bodyLimitBytes = 32 << 20
        package var connections = 4096
        package var threads = 2
        /// Seconds without a byte. Longer than the usual scrape interval of 15 s, so that scrapes keep their connection;
        /// not much longer, because libmicrohttpd 0.9.75 misses the end of a peer that arrives together with the last
        /// part of an unfinished request (an edge of epoll that it takes for read), and only this timer finds it.
        package var idleTimeoutSeconds = 20

        package init() {}
    }

    private final class Callbacks: Sendable {
        let handle: Handler
        let flush: (@Sendable () -> Void)?
        let log: @Sendable (String) -> Void

        init(
            handle: @escaping Handler, flush: (@Sendable () -> Void)?, log: @escaping @Sendable (String) -> Void
        ) {
            self.handle = handle
            self.flush = flush
            self.log = log
        }
    }

    /// - Parameters:
    ///   - socket: taken over.
    ///   - flush: called on a server thread when it has read what had arrived, so that `handler` can put off to it what it
    ///     gathers. Answers that it gives cost no suspended connection.
    ///   - log: what libmicrohttpd has to say; may quote a client, so it belongs at debug level.
    package init(
        socket: ListeningSocket, limits: Limits, log: @escaping @Sendable (String) -> Void,
        flush: (@Sendable () -> Void)?, handler: @escaping Handler
    ) throws(HTTPServerError) {
        let callbacks = unsafe Unmanaged.passRetained(Callbacks(handle: handler, flush: flush, log: log))
        var options = unsafe llmhttp_options()
        unsafe options.listen_socket = socket.descriptor
        unsafe options.threads = UInt32(limits.threads)
        unsafe options.connection_limit = UInt32(limits.connections)
        unsafe options.idle_timeout_seconds = UInt32(limits.idleTimeoutSeconds)
        unsafe options.body_limit_bytes = limits.bodyLimitBytes
        unsafe options.body_padding_bytes = PaddedBytes.padding
        unsafe options.context = callbacks.toOpaque()
        // Both closures are called from C threads: they capture nothing and inherit no actor.
        unsafe options.handle = { context, exchange in
            guard let context = unsafe context, let exchange = unsafe exchange else { return }
            let callbacks = unsafe Unmanaged<Callbacks>.fromOpaque(context).takeUnretainedValue()
            let responder = unsafe Responder(exchange: exchange)
            callbacks.handle(unsafe Request(exchange: exchange), responder)
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
        guard let server = unsafe llmhttp_server_start(&options) else {
            unsafe callbacks.release()
            throw .cannotStart
        }
        unsafe self.server = server
        self.socket = socket
        unsafe self.callbacks = callbacks
    }

    /// Marks requests that come from now on as draining, and closes each connection with its next answer. New connections to
    /// a shared socket are left to whoever serves it next.
    package func drain() {
        if socket.isShared { _ = llmhttp_leave_socket(socket.descriptor) }
        unsafe llmhttp_server_drain(server)
    }

    /// Requests between their headers and the end of their answer.
    package var requestsInFlight: Int {
        Int(unsafe llmhttp_server_requests_in_flight(server))
    }

    /// Ends all connections, once the requests that the handler holds are answered. The owner's last call.
    package func stop() {
        unsafe llmhttp_server_stop(server)
        unsafe callbacks.release()
    }

    /// The version of libmicrohttpd that runs.
    package static var libraryVersion: String {
        unsafe String(cString: llmhttp_library_version())
    }
}
