package import Bodies
private import CHTTPShim

/// One request whose body is complete, lent to the handler for its call.
///
/// Not copyable: it looks into the server's own memory, which is gone once the answer is given.
@safe package struct Request: ~Copyable {
    /// Live while the handler runs: the exchange ends with the answer, and `handle` keeps the responder until then.
    private let exchange: OpaquePointer
    /// Bytes of the request body; empty when the request is at fault.
    package let body: PaddedBytes

    init(exchange: OpaquePointer) {
        unsafe self.exchange = exchange
        var count = 0
        let start = unsafe chttpshim_exchange_take_body(exchange, &count)
        unsafe body = PaddedBytes(adopting: start, count: count)
    }

    /// `GET`, `POST`, …, as sent.
    package var method: String {
        unsafe String(cString: chttpshim_exchange_method(exchange))
    }

    /// Percent-decoded, without the query.
    package var path: String {
        unsafe String(cString: chttpshim_exchange_path(exchange))
    }

    /// Why the request must be refused; `nil` for a sound one.
    package var fault: RequestFault? {
        switch unsafe chttpshim_exchange_fault(exchange) {
        case CHTTPSHIM_FAULT_BODY_TOO_LARGE: .bodyTooLarge
        case CHTTPSHIM_FAULT_CONTRADICTORY_LENGTH: .contradictoryLength
        case CHTTPSHIM_FAULT_CONTRADICTORY_HOST: .contradictoryHost
        case CHTTPSHIM_FAULT_DRAINING: .draining
        case CHTTPSHIM_FAULT_STOPPING: .stopping
        case CHTTPSHIM_FAULT_OUT_OF_MEMORY: .outOfMemory
        case CHTTPSHIM_FAULT_TOO_MANY_CONNECTIONS: .tooManyConnections
        case CHTTPSHIM_FAULT_UNREAD_BODY: .unreadBody
        case CHTTPSHIM_FAULT_OUTDATED: .outdated
        case CHTTPSHIM_FAULT_UNAUTHENTICATED: .unauthenticated
        case CHTTPSHIM_FAULT_FORBIDDEN: .forbidden
        case CHTTPSHIM_FAULT_TOO_MANY_ATTEMPTS: .tooManyAttempts
        default: nil
        }
    }

    /// The value of a header, whatever its case; the first where there are several.
    package func header(_ name: StaticString) -> String? {
        guard let value = unsafe chttpshim_exchange_header(exchange, name.cString) else { return nil }
        return unsafe String(cString: value)
    }

    /// Arguments in the query, whatever their names: more than `query` gave means that some were not understood.
    package var queryCount: Int { Int(unsafe chttpshim_exchange_query_count(exchange)) }

    /// A decoded argument of the query; `nil` where it is absent or not UTF-8.
    package func query(_ name: StaticString) -> String? {
        var count = 0
        guard let value = unsafe chttpshim_exchange_query(exchange, name.cString, &count) else { return nil }
        return unsafe String(validating: UnsafeRawBufferPointer(start: value, count: count), as: UTF8.self)
    }
}

/// Why a request must be refused before anyone looks at its content.
package enum RequestFault: Sendable {
    /// 413.
    case bodyTooLarge
    /// 400: two readers would see two different requests (RFC 9112, section 6.3).
    case contradictoryLength
    /// 400 (RFC 9112, section 3.2).
    case contradictoryHost
    /// 503 for what would change something: the request came after `HTTPServer.drain`.
    case draining
    /// 503, within the handler's call: the server stops now.
    case stopping
    /// 503.
    case outOfMemory
    /// 503: the certificates that are asked of clients changed since the connection began.
    case outdated
    /// None: its body was thrown away, as nobody reads it.
    case unreadBody
    /// 429: its address had as many as may be when the connection came.
    case tooManyConnections
    /// 401: the admission says so.
    case unauthenticated
    /// 403: the admission says so.
    case forbidden
    /// 429: the admission has too much to do.
    case tooManyAttempts
}

extension StaticString {
    /// Zero-terminated, and there for as long as the program.
    fileprivate var cString: UnsafePointer<CChar> {
        unsafe UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
