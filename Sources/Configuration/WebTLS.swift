internal import HTTP

extension WebConfiguration.TLS {
    /// - Parameter folder: the folder of the web configuration, where relative paths begin; with a slash at its end.
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
            // The toolkit accepts this older spelling, too.
            let name = try kind.text() == "RequireClientCert" ? "RequireAnyClientCert" : kind.text()
            guard let known = TLSIdentity.ClientCertificate(rawValue: name) else {
                let names = TLSIdentity.ClientCertificate.allCases.map(\.rawValue)
                throw kind.fault("must be one of \(names.joined(separator: ", "))")
            }
            clientCertificate = known
            if authorities == nil, known.isVerified {
                throw kind.fault("needs client_ca_file, or client_ca, to verify certificates")
            }
        }
        if let place = authorities?.place, clientCertificate == .none {
            throw place.fault(
                "needs client_auth_type, such as RequireAndVerifyClientCert; without it no client is asked")
        }
        if let names = members["client_allowed_sans"], !names.isNull {
            for name in try names.elements() { clientNames.append(try name.text()) }
            guard !clientNames.isEmpty else { throw names.fault("is empty; leave it out to let in all clients") }
            guard clientCertificate.isRequired else {
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
        // As in Go, no key exchange without forward secrecy, or over a finite field of the server's choice.
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
            throw value.fault("is a version that is no longer offered (RFC 8996); use TLS12 or TLS13")
        default: throw value.fault("must be TLS12 or TLS13")
        }
    }
}
