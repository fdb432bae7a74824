private import CHTTPShim

/// A certificate with its key, and what is asked of the certificates of clients.
@safe package final class TLSIdentity: @unchecked Sendable {
    // Unchecked: what it points to is counted by its users and never changed.
    let pointer: OpaquePointer

    package struct Settings: Sendable {
        /// In PEM; the server's certificate first, then those between it and its authority.
        package var certificate: [UInt8]
        package var key: [UInt8]
        /// In PEM: whose certificates of clients are believed; empty where none are verified.
        package var clientAuthorities: [UInt8] = []
        package var clients = ClientCertificates.none
        /// Alternative names of which a client's certificate must have one; empty for any.
        package var clientNames: [String] = []
        package var servesTLS12 = true
        package var servesTLS13 = true
        package var prefersOwnSuites = true

        package init(certificate: [UInt8], key: [UInt8]) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// A handshake without what is asked for fails.
    package enum ClientCertificates: Sendable {
        case none, requested, required, verifiedIfGiven, verified
    }

    /// Why it cannot be used, in GnuTLS' words.
    package enum Failure: Error {
        case certificate(String)
        case clientAuthorities(String)
        case versions(String)
    }

    package init(_ settings: Settings) throws(Failure) {
        var failure = unsafe llmhttp_tls_failure()
        let pointer = unsafe Self.make(settings, &failure)
        guard let pointer = unsafe pointer else {
            let reason = unsafe String(cString: failure.reason)
            switch unsafe failure.part {
            case LLMHTTP_TLS_AUTHORITIES: throw .clientAuthorities(reason)
            case LLMHTTP_TLS_VERSIONS: throw .versions(reason)
            default: throw .certificate(reason)
            }
        }
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe llmhttp_tls_release(pointer)
    }

    private static func make(_ settings: Settings, _ failure: inout llmhttp_tls_failure) -> OpaquePointer? {
        unsafe settings.certificate.withUnsafeBytes { certificate in
            unsafe settings.key.withUnsafeBytes { key in
                unsafe settings.clientAuthorities.withUnsafeBytes { authorities in
                    unsafe withNames(settings.clientNames) { names in
                        var options = unsafe llmhttp_tls_options()
                        unsafe options.certificate = certificate.baseAddress
                        unsafe options.certificate_length = certificate.count
                        unsafe options.key = key.baseAddress
                        unsafe options.key_length = key.count
                        unsafe options.authorities = authorities.baseAddress
                        unsafe options.authorities_length = authorities.count
                        unsafe options.clients = settings.clients.code
                        unsafe options.names = names.baseAddress
                        unsafe options.name_count = names.count
                        unsafe options.allows_1_2 = settings.servesTLS12
                        unsafe options.allows_1_3 = settings.servesTLS13
                        unsafe options.prefers_own_suites = settings.prefersOwnSuites
                        return unsafe llmhttp_tls_make(&options, &failure)
                    }
                }
            }
        }
    }

    /// Lends the names as C strings.
    private static func withNames<Result>(
        _ names: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> Result
    ) -> Result {
        let texts = names.map { Array($0.utf8CString) }
        let all = texts.flatMap { $0 }
        return unsafe all.withUnsafeBufferPointer { bytes in
            var pointers: [UnsafePointer<CChar>?] = unsafe []
            var offset = 0
            for text in texts {
                unsafe pointers.append(bytes.baseAddress.map { unsafe $0 + offset })
                offset += text.count
            }
            return unsafe pointers.withUnsafeBufferPointer { unsafe body($0) }
        }
    }
}

extension TLSIdentity.ClientCertificates {
    fileprivate var code: llmhttp_client_certificates {
        switch self {
        case .none: LLMHTTP_CLIENTS_NONE
        case .requested: LLMHTTP_CLIENTS_REQUESTED
        case .required: LLMHTTP_CLIENTS_REQUIRED
        case .verifiedIfGiven: LLMHTTP_CLIENTS_VERIFIED_IF_GIVEN
        case .verified: LLMHTTP_CLIENTS_VERIFIED
        }
    }
}
