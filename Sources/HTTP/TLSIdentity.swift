private import CHTTPShim

/// The identity that the servers of this process show in TLS handshakes, and the client certificates that they accept.
@safe package final class TLSIdentity: @unchecked Sendable {
    // Unchecked: nothing changes it once it is made, and `use` is its owner's last call.
    private let identity: OpaquePointer
    private var isUsed = false

    /// The demand on clients. The raw values are Go's names, which the web configuration uses.
    package enum ClientCertificate: String, CaseIterable, Sendable {
        case none = "NoClientCert"
        case requested = "RequestClientCert"
        case required = "RequireAnyClientCert"
        case verifiedIfGiven = "VerifyClientCertIfGiven"
        case verified = "RequireAndVerifyClientCert"

        /// Whether a client without a certificate is refused.
        package var isRequired: Bool { self == .required || self == .verified }

        /// Whether a certificate must come from one of the client authorities.
        package var isVerified: Bool { self == .verifiedIfGiven || self == .verified }
    }

    /// The part that cannot be used.
    package enum Culprit: Sendable {
        case certificate, key, pair, clientAuthorities, memory
    }

    package struct Failure: Error, Sendable {
        package let culprit: Culprit
        /// In GnuTLS's words.
        package let reason: String
    }

    /// - Parameters:
    ///   - certificate: PEM, the server's own first, then those that lead to an authority; at most 16.
    ///   - clientAuthorities: PEM; needed if certificates are verified.
    ///   - clientNames: subject alternative names, of which a client's certificate must have one; empty for any.
    package init(
        certificate: String, key: String, clientCertificate: ClientCertificate, clientAuthorities: String?,
        clientNames: [String]
    ) throws(Failure) {
        // Safe: each call copies the texts that it is lent.
        guard let identity = unsafe chttpshim_tls_identity_create() else {
            throw Failure(culprit: .memory, reason: "no memory")
        }
        unsafe self.identity = identity
        try unsafe Self.check(.certificate, chttpshim_tls_identity_set_certificate(identity, certificate))
        try unsafe Self.check(.key, chttpshim_tls_identity_set_key(identity, key))
        try unsafe Self.check(.pair, chttpshim_tls_check_pair(certificate, key))
        if clientCertificate != .none {
            unsafe chttpshim_tls_identity_ask_clients(
                identity, clientCertificate.isRequired, clientCertificate.isVerified)
        }
        if let clientAuthorities {
            let reason = unsafe chttpshim_tls_identity_set_client_authorities(identity, clientAuthorities)
            try unsafe Self.check(.clientAuthorities, reason)
        }
        for name in clientNames {
            try unsafe Self.check(.memory, chttpshim_tls_identity_add_client_name(identity, name))
        }
    }

    /// - Parameter reason: static; `nil` for success.
    @unsafe private static func check(_ culprit: Culprit, _ reason: UnsafePointer<CChar>?) throws(Failure) {
        guard let reason = unsafe reason else { return }
        throw Failure(culprit: culprit, reason: unsafe String(cString: reason))
    }

    deinit {
        if !isUsed { unsafe chttpshim_tls_identity_free(identity) }
    }

    /// Makes it the identity of all handshakes that begin from now on. The owner's last call.
    package func use() {
        isUsed = true
        unsafe chttpshim_tls_use(identity)
    }
}
