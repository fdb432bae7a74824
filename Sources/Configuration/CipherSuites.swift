/// Cipher suites by Go's names, translated to GnuTLS's priorities, which name key exchanges and ciphers instead of
/// suites.
struct CipherSuites {
    private let value: YAMLValue
    private var exchanges: [String] = []
    private var ciphers: [String] = []

    init(_ value: YAMLValue) throws(ConfigurationError) {
        self.value = value
        var suites: Set<String> = []
        for element in try value.elements() {
            let name = try element.text()
            guard let (exchange, cipher) = Self.known[name] else {
                throw element.fault("must be one of \(Self.known.keys.sorted().joined(separator: ", "))")
            }
            if let exchange, !exchanges.contains(exchange) { exchanges.append(exchange) }
            if !ciphers.contains(cipher) { ciphers.append(cipher) }
            suites.insert((exchange ?? "") + cipher)
        }
        for exchange in exchanges {
            for cipher in ciphers where !suites.contains(exchange + cipher) && !suites.contains(cipher) {
                throw value.fault(
                    "must name the same ciphers for ECDSA and for RSA: \(cipher) with \(exchange) is missing")
            }
        }
    }

    func priorities(allowsTLS13: Bool) throws(ConfigurationError) -> String {
        let aead = ciphers.filter { !$0.hasSuffix("CBC") }
        if allowsTLS13, aead.isEmpty {
            throw value.fault(
                "has no suite that TLS 1.3 can use; add one with GCM or CHACHA20, or set max_version: TLS12")
        }
        let kinds = exchanges.isEmpty ? "" : ":-ECDHE-RSA:-ECDHE-ECDSA" + exchanges.map { ":+\($0)" }.joined()
        return kinds + ":-CIPHER-ALL" + ciphers.map { ":+\($0)" }.joined()
    }

    private static let known: [String: (exchange: String?, cipher: String)] = {
        var known: [String: (exchange: String?, cipher: String)] = [
            "TLS_AES_128_GCM_SHA256": (nil, "AES-128-GCM"), "TLS_AES_256_GCM_SHA384": (nil, "AES-256-GCM"),
            "TLS_CHACHA20_POLY1305_SHA256": (nil, "CHACHA20-POLY1305"),
        ]
        for kind in ["RSA", "ECDSA"] {
            for (name, cipher) in [
                ("AES_128_CBC_SHA", "AES-128-CBC"), ("AES_256_CBC_SHA", "AES-256-CBC"),
                ("AES_128_GCM_SHA256", "AES-128-GCM"), ("AES_256_GCM_SHA384", "AES-256-GCM"),
                ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
            ] {
                known["TLS_ECDHE_\(kind)_WITH_\(name)"] = ("ECDHE-\(kind)", cipher)
            }
        }
        return known
    }()
}
