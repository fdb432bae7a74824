extension WebConfiguration.TLS {
    /// - Parameter folder: of the web configuration, with a slash at its end: where relative paths begin.
    init(_ value: YAMLValue, folder: String) throws(ConfigurationError) {
        let members = try value.members(of: [
            "cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type",
            "client_allowed_sans", "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites",
            "curve_preferences",
        ])
        func content(_ name: String) throws(ConfigurationError) -> (text: String, place: YAMLValue)? {
            let file = members[name + "_file"]
            if let inline = members[name], !inline.isNull {
                if let file, !file.isNull { throw file.fault("stands beside \(name); give one of the two") }
                return (try inline.text(), inline)
            }
            guard let file, !file.isNull else { return nil }
            let path = try file.text()
            do throws(ConfigurationError) {
                return (try ConfigurationFile.text(of: path.hasPrefix("/") ? path : folder + path, named: path), file)
            } catch {
                throw file.fault(error.description)
            }
        }
        guard let certificate = try content("cert") else { throw value.fault("needs cert_file, or cert") }
        guard let key = try content("key") else { throw value.fault("needs key_file, or key") }
        let authorities = try content("client_ca")
        (self.certificate, certificatePlace) = certificate
        (self.key, keyPlace) = key
        (clientAuthorities, authoritiesPlace) = (authorities?.text, authorities?.place)

        if let kind = members["client_auth_type"], !kind.isNull, try !kind.text().isEmpty {
            // The older spelling, which the toolkit keeps.
            let name = try kind.text() == "RequireClientCert" ? "RequireAnyClientCert" : kind.text()
            guard let known = WebConfiguration.ClientCertificate(rawValue: name) else {
                let names = WebConfiguration.ClientCertificate.allCases.map(\.rawValue)
                throw kind.fault("must be one of \(names.joined(separator: ", "))")
            }
            clientCertificate = known
            if authorities == nil, known == .verified || known == .verifiedIfGiven {
                throw kind.fault("needs client_ca_file, or client_ca: who signs the clients' certificates")
            }
        }
        if let place = authorities?.place, clientCertificate == .none {
            throw place.fault("needs client_auth_type, such as RequireAndVerifyClientCert; without it nobody is asked")
        }
        if let names = members["client_allowed_sans"], !names.isNull {
            for name in try names.elements() { clientNames.append(try name.text()) }
            guard !clientNames.isEmpty else { throw names.fault("names nobody; leave it out to let in all clients") }
            guard clientCertificate == .required || clientCertificate == .verified else {
                throw names.fault("needs client_auth_type RequireAndVerifyClientCert or RequireAnyClientCert")
            }
        }
        priorities = try Self.priorities(members)
    }

    private static func priorities(_ members: [String: YAMLValue]) throws(ConfigurationError) -> String {
        let least = try version(members["min_version"]) ?? 2
        let most = try version(members["max_version"]) ?? 3
        guard least <= most else {
            throw (members["max_version"] ?? members["min_version"])?.fault("is below min_version")
                ?? ConfigurationError(file: "tls_server_config", line: nil, "max_version is below min_version")
        }
        // Without forward secrecy, or a finite field of the server's choice, as Go has it.
        var priorities = "NORMAL:-RSA:-DHE-RSA:-VERS-ALL"
        for version in (least...most).reversed() { priorities += ":+VERS-TLS1.\(version)" }
        if let suites = members["cipher_suites"], !suites.isNull, try !suites.elements().isEmpty {
            priorities += try CipherSuites(suites).priorities(allowsTLS13: most == 3)
        }
        if let curves = members["curve_preferences"], !curves.isNull, try !curves.elements().isEmpty {
            priorities += ":-GROUP-ALL"
            for curve in try curves.elements() {
                guard let group = groups[try curve.text()] else {
                    throw curve.fault("must be one of \(groups.keys.sorted().joined(separator: ", "))")
                }
                priorities += ":+GROUP-\(group)"
            }
        }
        if try members["prefer_server_cipher_suites"]?.boolean() ?? true { priorities += ":%SERVER_PRECEDENCE" }
        return priorities
    }

    private static let groups = [
        "CurveP256": "SECP256R1", "CurveP384": "SECP384R1", "CurveP521": "SECP521R1", "X25519": "X25519",
    ]

    /// The minor version of TLS 1.
    private static func version(_ value: YAMLValue?) throws(ConfigurationError) -> Int? {
        guard let value, !value.isNull else { return nil }
        switch try value.text() {
        case "TLS12": return 2
        case "TLS13": return 3
        case "TLS10", "TLS11":
            throw value.fault("is a version that is not served any more (RFC 8996); use TLS12 or TLS13")
        default: throw value.fault("must be TLS12 or TLS13")
        }
    }
}

/// Go's names of cipher suites, as GnuTLS's priorities: which know key exchanges and ciphers, and no suites.
private struct CipherSuites {
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
