extension WebConfiguration.TLS {
    private static let pemLimit = 1 << 20

    /// - Parameter configurationPath: from whose folder relative names lead.
    init(_ value: YAMLValue, besides configurationPath: String) throws(ConfigurationError) {
        let members = try value.members(of: [
            "cert_file", "key_file", "cert", "key", "client_auth_type", "client_ca_file", "client_ca",
            "client_allowed_sans", "min_version", "max_version", "cipher_suites", "curve_preferences",
            "prefer_server_cipher_suites",
        ])
        for name in ["cipher_suites", "curve_preferences"] {
            if let value = members.value(name) {
                throw value.fault(
                    "cannot be chosen here: only suites with forward secrecy and authenticated encryption are offered; leave it out"
                )
            }
        }
        func pem(_ name: String) throws(ConfigurationError) -> (bytes: [UInt8], place: String)? {
            guard let file = members.value(name + "_file") else {
                guard let text = members.value(name) else { return nil }
                return (Array(try text.text().utf8), text.place)
            }
            if let text = members.value(name) { throw text.fault("stands beside \(name)_file; leave one of them out") }
            var path = try file.text()
            if !path.hasPrefix("/"), let folder = configurationPath.lastIndex(of: "/") {
                path = configurationPath[...folder] + path
            }
            return (
                try Configuration.bytes(of: path, given: file.place, limit: Self.pemLimit), "\(file.place) \(path)"
            )
        }
        guard let certificate = try pem("cert") else {
            throw value.fault("needs cert_file, the server's certificate in PEM")
        }
        guard let key = try pem("key") else {
            throw value.fault("needs key_file, the certificate's private key in PEM")
        }
        let authorities = try pem("client_ca")
        self.certificate = certificate.bytes
        self.key = key.bytes
        certificatePlace = certificate.place == key.place ? certificate.place : "\(certificate.place) and \(key.place)"
        clientAuthorities = authorities?.bytes
        clientAuthoritiesPlace = authorities?.place ?? ""
        clients = try Self.clients(members.value("client_auth_type"))
        if clients.verifies, authorities == nil {
            throw value.fault(
                "needs client_ca_file, whose certificates of clients are believed, for \(clients.rawValue)")
        }
        if !clients.verifies, authorities != nil {
            throw value.fault(
                "names the authority of clients and does not verify them; add client_auth_type: RequireAndVerifyClientCert"
            )
        }
        var names: [String] = []
        if let value = members.value("client_allowed_sans") {
            for element in try value.elements() { names.append(try element.text()) }
        }
        allowedClientNames = names
        if !names.isEmpty, !clients.verifies {
            throw value.fault(
                "checks names of clients and does not verify them; add client_auth_type: RequireAndVerifyClientCert")
        }
        versions = try Self.versions(from: members.value("min_version"), to: members.value("max_version"))
        prefersOwnSuites = try members.value("prefer_server_cipher_suites")?.boolean() ?? true
    }

    private static func clients(_ value: YAMLValue?) throws(ConfigurationError)
        -> WebConfiguration.ClientCertificates
    {
        guard let value else { return .none }
        let text = try value.text()
        // Go's older name of it.
        if text == "RequireClientCert" { return .required }
        guard let clients = WebConfiguration.ClientCertificates(rawValue: text) else {
            let known = WebConfiguration.ClientCertificates.allCases.map(\.rawValue).joined(separator: ", ")
            throw value.fault("must be one of \(known)")
        }
        return clients
    }

    private static func versions(from least: YAMLValue?, to most: YAMLValue?) throws(ConfigurationError)
        -> Set<WebConfiguration.Version>
    {
        func version(_ value: YAMLValue?) throws(ConfigurationError) -> WebConfiguration.Version? {
            guard let value else { return nil }
            guard let version = WebConfiguration.Version(rawValue: try value.text()) else {
                throw value.fault("must be TLS12 or TLS13: older versions are not safe, and not served")
            }
            return version
        }
        var versions: Set<WebConfiguration.Version> = [.tls12, .tls13]
        if try version(least) == .tls13 { versions.remove(.tls12) }
        if let most, try version(most) == .tls12 {
            guard versions.contains(.tls12) else { throw most.fault("is older than min_version") }
            versions.remove(.tls13)
        }
        return versions
    }
}
