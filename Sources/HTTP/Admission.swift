private import CHTTPShim
private import Synchronization

/// The gate before a request's body: decided once, from any thread.
@safe package final class Admission: @unchecked Sendable {
    // Unchecked: the pointer is used once, which `isDecided` sees to, and the C side orders that use against its own.
    private let exchange: OpaquePointer
    private let isDecided = Atomic(false)

    init(exchange: OpaquePointer) {
        unsafe self.exchange = exchange
    }

    /// What nobody decides is refused: a suspended connection would hold the server's stop.
    deinit {
        decide(.tooManyAttempts)
    }

    /// - Parameter refusal: `nil` lets the body be read. Later decisions are dropped.
    package func decide(_ refusal: Refusal?) {
        guard !isDecided.exchange(true, ordering: .relaxed) else { return }
        let fault =
            switch refusal {
            case nil: CHTTPSHIM_FAULT_NONE
            case .unauthenticated: CHTTPSHIM_FAULT_UNAUTHENTICATED
            case .forbidden: CHTTPSHIM_FAULT_FORBIDDEN
            case .tooManyAttempts: CHTTPSHIM_FAULT_TOO_MANY_ATTEMPTS
            }
        unsafe chttpshim_exchange_admit(exchange, fault)
    }

    /// Why a request may not pass; its handler then sees the `RequestFault` of the same name.
    package enum Refusal: Sendable {
        case unauthenticated, forbidden, tooManyAttempts
    }
}
