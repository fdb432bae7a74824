internal import Bodies
private import CHTTPShim
private import Glibc
private import Synchronization

/// An exchange of libmicrohttpd's.
@safe final class ServerExchange: ExchangeSource, @unchecked Sendable {
    // Unchecked: the pointer is used for reading within `open` and `handle` only, but for the client's address, which
    // does not change, and for one decision in each, which `isDecided` guards; the C side orders that decision against
    // its own work. `tag` is used within those two calls, which follow one another; `client` is set by the decision
    // between them.
    private let exchange: OpaquePointer
    private let isDecided = Atomic(false)
    var tag = 0
    private(set) var client: String?

    init(_ exchange: OpaquePointer) {
        unsafe self.exchange = exchange
    }

    deinit {
        answer(Response(status: 500, closesConnection: true))
    }

    // MARK: The request

    // Safe: C strings that live until the decision, copied at once.

    var method: String { unsafe String(cString: chttpshim_exchange_method(exchange)) }
    var path: String { unsafe String(cString: chttpshim_exchange_path(exchange)) }
    var fault: RequestFault? { RequestFault(rawValue: unsafe chttpshim_exchange_fault(exchange).rawValue) }

    var peer: String { address(asNetwork: false) }
    var network: String { address(asNetwork: true) }

    private func address(asNetwork: Bool) -> String {
        let capacity = Int(CHTTPSHIM_PEER_BYTES)
        // Safe: the call writes a C string into the buffer, which is copied at once.
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
            guard let start = buffer.baseAddress else { return "" }
            unsafe chttpshim_exchange_peer(exchange, asNetwork, start, capacity)
            return unsafe String(cString: start)
        }
    }

    var repeatedHeader: String? {
        guard let name = unsafe chttpshim_exchange_repeated_header(exchange) else { return nil }
        return unsafe String(cString: name)
    }

    func header(_ name: StaticString) -> String? { line(0, of: name) }

    func list(_ name: StaticString) -> String? {
        guard var list = line(0, of: name) else { return nil }
        var index: UInt32 = 1
        while let value = line(index, of: name) {
            list += "," + value
            index += 1
        }
        return list
    }

    private func line(_ index: UInt32, of name: StaticString) -> String? {
        guard let value = unsafe chttpshim_exchange_header(exchange, name.cString, index) else { return nil }
        return unsafe String(cString: value)
    }

    var queryCount: Int { Int(unsafe chttpshim_exchange_query_count(exchange)) }

    func query(_ name: StaticString) -> String? {
        var count = 0
        guard let value = unsafe chttpshim_exchange_query(exchange, name.cString, &count) else { return nil }
        return unsafe String(validating: UnsafeRawBufferPointer(start: value, count: count), as: UTF8.self)
    }

    func takeBody() -> PaddedBytes {
        var count = 0
        var mappedCount = 0
        var share: OpaquePointer?
        // Safe: the block is taken over, with padding behind it.
        let start = unsafe chttpshim_exchange_take_body(exchange, &count, &mappedCount, &share)
        let owner = unsafe share.map { unsafe ClientShare($0) }
        if mappedCount > 0 {
            return unsafe PaddedBytes(adoptingMapping: start, of: mappedCount, count: count, owner: owner)
        }
        return unsafe PaddedBytes(adopting: start, count: count, owner: owner)
    }

    var clientNumber: UInt64 { unsafe chttpshim_exchange_client(exchange) }

    func memoryShare() -> (any MemoryShare)? {
        unsafe chttpshim_exchange_share(exchange).map { unsafe ClientShare($0) }
    }

    // MARK: Decisions

    /// Whether this call is the first decision.
    private func decides() -> Bool { !isDecided.exchange(true, ordering: .relaxed) }

    func answer(_ response: Response) {
        guard decides() else { return }
        let length: Int
        // Lent by the answer.
        let bytes: UnsafeRawPointer?
        let answer: OpaquePointer?
        if let shared = response.sharedBody {
            length = unsafe shared.lent.count
            unsafe bytes = shared.lent.baseAddress
            let owner = unsafe Unmanaged.passRetained(shared)
            // Called from C threads: the closure captures nothing and inherits no actor.
            unsafe answer = chttpshim_response_create_shared(
                shared.lent.baseAddress, length,
                { owner in
                    guard let owner = unsafe owner else { return }
                    unsafe Unmanaged<SharedBody>.fromOpaque(owner).release()
                }, owner.toOpaque())
        } else {
            length = response.body.count
            // From malloc, because the C side takes it over and frees it.
            let body = unsafe malloc(max(1, length))
            unsafe bytes = UnsafeRawPointer(body)
            if let body = unsafe body {
                unsafe UnsafeMutableRawBufferPointer(start: body, count: length).copyBytes(from: response.body)
                unsafe answer = chttpshim_response_create(body, length)
            } else {
                unsafe answer = nil
            }
        }
        for header in response.headers { unsafe chttpshim_response_add_header(answer, header.name, header.value) }
        unsafe chttpshim_exchange_respond(
            exchange, UInt32(response.status), answer, bytes, length, response.closesConnection)
    }

    func abandon() {
        guard decides() else { return }
        unsafe chttpshim_exchange_respond(exchange, 0, nil, nil, 0, true)
    }

    func proceed(_ body: BodyTreatment, client: String?) {
        guard decides() else { return }
        self.client = client
        let opening = body == .read ? CHTTPSHIM_READ_BODY : CHTTPSHIM_DISCARD_BODY
        let number = client.map { UInt64(bitPattern: Int64($0.hashValue)) | 1 } ?? 0
        // Retained for `handle`, which takes it back, or for `drop`.
        unsafe chttpshim_exchange_proceed(exchange, opening, number, Unmanaged.passRetained(self).toOpaque())
    }

    /// The exchange that `proceed` kept, with the right to decide once more.
    static func resumed(_ exchange: OpaquePointer) -> ServerExchange? {
        guard let owner = unsafe chttpshim_exchange_take_owner(exchange) else { return nil }
        let resumed = unsafe Unmanaged<ServerExchange>.fromOpaque(owner).takeRetainedValue()
        resumed.isDecided.store(false, ordering: .relaxed)
        return resumed
    }

    /// Ends an exchange whose client went away after `proceed`.
    static func drop(_ owner: UnsafeMutableRawPointer) {
        unsafe Unmanaged<ServerExchange>.fromOpaque(owner).release()
    }
}

@safe private final class ClientShare: MemoryShare, @unchecked Sendable {
    // Unchecked: the calls are safe from any thread.
    private let share: OpaquePointer

    init(_ share: OpaquePointer) { unsafe self.share = share }

    deinit { unsafe chttpshim_share_release(share) }

    func grow(by bytes: Int) -> Bool { unsafe chttpshim_share_grow(share, bytes) }
}

extension StaticString {
    /// Ends in zero and lives as long as the program.
    fileprivate var cString: UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
