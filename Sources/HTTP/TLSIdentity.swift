private import CHTTPShim

/// Who the servers of this process are in TLS handshakes, and whom they take for a client.
@safe package final class TLSIdentity: @unchecked Sendable {
    // Unchecked: it is changed by nobody once it is made, and `use` gives it away once, by its owner.
    private let identity: OpaquePointer
    private var isUsed = false

    /// What a client's certificate must be.
    package enum ClientCertificate: Sendable {
        case none, requested, required, verifiedIfGiven, verified
    }

    /// What cannot be used, for the caller to name in his own words.
    package enum Culprit: Sendable {
        case certificate, key, pair, clientAuthorities, memory
    }

    package struct Failure: Error, Sendable {
        package let culprit: Culprit
        /// GnuTLS's.
        package let reason: String
    }

    /// - Parameters:
    ///   - certificate: PEM, the server's own first, then those that lead to an authority; at most 16.
    ///   - clientAuthorities: PEM; needed where certificates are verified.
    ///   - clientNames: one of which a client's certificate must have as subject alternative name; empty for any.
    package init(
        certificate: String, key: String, clientCertificate: ClientCertificate, clientAuthorities: String?,
        clientNames: [String]
    ) throws(Failure) {
        var material = unsafe chttpshim_tls_material()
        unsafe material.client_certificate =
            switch clientCertificate {
            case .none: CHTTPSHIM_CLIENT_CERTIFICATE_NONE
            case .requested: CHTTPSHIM_CLIENT_CERTIFICATE_REQUESTED
            case .required: CHTTPSHIM_CLIENT_CERTIFICATE_REQUIRED
            case .verifiedIfGiven: CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED_IF_GIVEN
            case .verified: CHTTPSHIM_CLIENT_CERTIFICATE_VERIFIED
            }
        var fault = CHTTPSHIM_TLS_FAULT_MEMORY
        var reason: UnsafePointer<CChar>?
        // Lent for the call, which copies them.
        var lent: [UnsafeMutablePointer<CChar>] = unsafe []
        defer { unsafe lent.forEach { unsafe $0.deallocate() } }
        func lend(_ text: String) -> UnsafePointer<CChar> {
            let bytes = text.utf8CString
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
            for (place, byte) in bytes.enumerated() { unsafe copy[place] = byte }
            unsafe lent.append(copy)
            return unsafe UnsafePointer(copy)
        }
        unsafe material.certificate = lend(certificate)
        unsafe material.key = lend(key)
        unsafe material.client_authorities = clientAuthorities.map { unsafe lend($0) }
        let names: [UnsafePointer<CChar>?] = unsafe clientNames.map { unsafe lend($0) }
        let made = unsafe names.withUnsafeBufferPointer { names in
            unsafe material.client_names = names.baseAddress
            unsafe material.client_name_count = names.count
            return unsafe chttpshim_tls_identity_create(&material, &fault, &reason)
        }
        guard let made = unsafe made else {
            let culprit: Culprit =
                switch fault {
                case CHTTPSHIM_TLS_FAULT_CERTIFICATE: .certificate
                case CHTTPSHIM_TLS_FAULT_KEY: .key
                case CHTTPSHIM_TLS_FAULT_PAIR: .pair
                case CHTTPSHIM_TLS_FAULT_CLIENT_AUTHORITIES: .clientAuthorities
                default: .memory
                }
            let text = unsafe reason.map { unsafe String(cString: $0) }
            throw Failure(culprit: culprit, reason: text ?? "unknown reason")
        }
        unsafe identity = made
    }

    deinit {
        if !isUsed { unsafe chttpshim_tls_identity_free(identity) }
    }

    /// Used in all handshakes that begin from now on. The owner's last call.
    package func use() {
        isUsed = true
        unsafe chttpshim_tls_use(identity)
    }

    /// Whether GnuTLS takes this text for priorities.
    package static func knows(priorities: String) -> Bool {
        unsafe chttpshim_tls_knows_priorities(priorities)
    }
}
