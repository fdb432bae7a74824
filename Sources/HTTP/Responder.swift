private import CHTTPShim
private import Glibc
private import Synchronization

/// The way back to one requester: answers once, from any thread.
@safe package final class Responder: @unchecked Sendable {
    // Unchecked: the pointer is used once, which `isAnswered` sees to, and the C side orders that use against its own.
    private let exchange: OpaquePointer
    private let isAnswered = Atomic(false)

    init(exchange: OpaquePointer) {
        unsafe self.exchange = exchange
    }

    /// A request that nobody answers would hold its connection for ever, and the server's stop with it.
    deinit {
        respond(Response(status: 500, closesConnection: true))
    }

    /// Later answers to the same request are dropped.
    package func respond(_ response: Response) {
        guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
        if let shared = response.sharedBody {
            respond(response, shared)
            return
        }
        // From malloc, because the C side takes it over and frees it.
        guard let body = unsafe malloc(max(1, response.body.count)) else {
            unsafe chttpshim_exchange_respond(exchange, 500, nil, 0, nil, 0, true)
            return
        }
        unsafe UnsafeMutableRawBufferPointer(start: body, count: response.body.count).copyBytes(from: response.body)
        unsafe withHeaders(response.headers) { headers in
            unsafe chttpshim_exchange_respond(
                exchange, UInt32(response.status), headers.baseAddress, headers.count, body, response.body.count,
                response.closesConnection)
        }
    }

    private func respond(_ response: Response, _ shared: SharedBody) {
        let owner = unsafe Unmanaged.passRetained(shared)
        unsafe withHeaders(response.headers) { headers in
            unsafe chttpshim_exchange_respond_shared(
                exchange, UInt32(response.status), headers.baseAddress, headers.count, shared.lent.baseAddress,
                shared.lent.count,
                // Called from C threads: it captures nothing and inherits no actor.
                { owner in
                    guard let owner = unsafe owner else { return }
                    unsafe Unmanaged<SharedBody>.fromOpaque(owner).release()
                }, owner.toOpaque(), response.closesConnection)
        }
    }

    /// Closes the connection without an answer: nobody knows what became of the request.
    package func abandon() {
        guard !isAnswered.exchange(true, ordering: .relaxed) else { return }
        unsafe chttpshim_exchange_abandon(exchange)
    }

    /// Lends the headers as C strings: each stays valid while the calls inside its own run.
    private func withHeaders(
        _ headers: [(name: String, value: String)], _ body: (UnsafeBufferPointer<chttpshim_header>) -> Void
    ) {
        unsafe withUnsafeTemporaryAllocation(of: chttpshim_header.self, capacity: headers.count) { lent in
            unsafe lend(headers[...], to: lent) { unsafe body(UnsafeBufferPointer(lent)) }
        }
    }

    private func lend(
        _ rest: ArraySlice<(name: String, value: String)>, to lent: UnsafeMutableBufferPointer<chttpshim_header>,
        _ body: () -> Void
    ) {
        guard let header = rest.first else {
            body()
            return
        }
        unsafe header.name.withCString { name in
            unsafe header.value.withCString { value in
                unsafe lent.initializeElement(at: rest.startIndex, to: chttpshim_header(name: name, value: value))
                unsafe lend(rest.dropFirst(), to: lent, body)
            }
        }
    }
}
