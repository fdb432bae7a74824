package import Access

/// What `--web.config.file` says: TLS, who may do what, and headers of answers.
///
/// The Prometheus exporter-toolkit's file (docs/web-configuration.md there), with bearer tokens and scopes.
package struct WebConfiguration: Sendable {
    package var tls: TLS?
    package var access = AccessRules()
    /// Added to each answer.
    package var headers: [(name: String, value: String)] = []
    /// The file, as errors name it.
    private let file: String

    package struct TLS: Sendable {
        /// PEM.
        package var certificate: String
        /// PEM.
        package var key: String
        package var clientCertificate = ClientCertificate.none
        /// PEM.
        package var clientAuthorities: String?
        package var clientNames: [String] = []
        /// As GnuTLS writes them: versions, cipher suites and groups.
        package var priorities: String

        let certificatePlace: YAMLValue
        let keyPlace: YAMLValue
        let authoritiesPlace: YAMLValue?

        /// Whether it is the same to clients.
        package func isAlike(_ other: Self?) -> Bool {
            certificate == other?.certificate && key == other?.key && clientCertificate == other?.clientCertificate
                && clientAuthorities == other?.clientAuthorities && clientNames == other?.clientNames
        }

        /// What the texts may be unfit for, named where they stand.
        package enum Part: Sendable { case certificate, key, pair, clientAuthorities }

        package func fault(_ part: Part, _ reason: String) -> ConfigurationError {
            switch part {
            case .certificate:
                certificatePlace.fault("holds no certificate that can be used (PEM is wanted): \(reason)")
            case .key:
                keyPlace.fault("holds no private key that can be used (PEM without a passphrase is wanted): \(reason)")
            case .pair: keyPlace.fault("is not the key of the certificate: \(reason)")
            case .clientAuthorities:
                (authoritiesPlace ?? certificatePlace).fault("holds no certificate (PEM is wanted): \(reason)")
            }
        }
    }

    /// Go's names of what is asked of clients.
    package enum ClientCertificate: String, CaseIterable, Sendable {
        case none = "NoClientCert"
        case requested = "RequestClientCert"
        case required = "RequireAnyClientCert"
        case verifiedIfGiven = "VerifyClientCertIfGiven"
        case verified = "RequireAndVerifyClientCert"
    }

    /// Reads the file and those that it names.
    ///
    /// - Throws: names the file, the line and the key; shows no hash, token or key.
    package init(path: String) throws(ConfigurationError) {
        file = "--web.config.file \(path)"
        let text = try ConfigurationFile.text(of: path, named: file)
        guard let document = try YAMLValue.document(text, file: file), !document.isNull else { return }
        let members = try document.members(of: [
            "tls_server_config", "http_server_config", "basic_auth_users", "user_scopes", "bearer_tokens", "rate_limit",
        ])
        if let limit = members["rate_limit"] {
            throw limit.fault(
                "is not offered here; leave it out, and limit connections with --web.max-connections-per-address")
        }
        if let tls = members["tls_server_config"], !tls.isNull {
            self.tls = try TLS(tls, folder: path.lastIndex(of: "/").map { String(path[...$0]) } ?? "")
        }
        if let http = members["http_server_config"], !http.isNull { headers = try Self.headers(http) }
        access = try AccessRules(
            users: members["basic_auth_users"], scopes: members["user_scopes"], tokens: members["bearer_tokens"])
    }

    /// What is wrong with the file as a whole.
    package func fault(_ text: String) -> ConfigurationError {
        ConfigurationError(file: file, line: nil, text)
    }

    // MARK: Headers

    private static func headers(_ http: YAMLValue) throws(ConfigurationError) -> [(name: String, value: String)] {
        let members = try http.members(of: ["http2", "headers"])
        // Always HTTP/1.1: the toolkit's default, true, only allows HTTP/2.
        if let http2 = members["http2"] { _ = try http2.boolean() }
        let known: [String: [String]] = [
            "Strict-Transport-Security": [], "X-Content-Type-Options": ["nosniff"],
            "X-Frame-Options": ["deny", "sameorigin"], "X-XSS-Protection": [], "Content-Security-Policy": [],
        ]
        var headers: [(name: String, value: String)] = []
        for (name, value) in try members["headers"]?.membersUnlessNull() ?? [] {
            guard let values = known[name] else { throw value.unknown(among: known.keys.sorted()) }
            let text = try value.isNull ? "" : value.text()
            guard values.isEmpty || values.contains(text) else {
                throw value.fault("must be one of \(values.joined(separator: ", "))")
            }
            guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) else {
                throw value.fault("must be one line of ASCII")
            }
            if !text.isEmpty { headers.append((name, text)) }
        }
        return headers
    }
}

extension AccessRules {
    fileprivate init(users: YAMLValue?, scopes: YAMLValue?, tokens: YAMLValue?) throws(ConfigurationError) {
        self.init()
        for (name, value) in try users?.membersUnlessNull() ?? [] {
            guard !name.isEmpty, !name.contains(":") else {
                throw value.fault("has a name that basic authentication cannot carry: empty, or with a colon")
            }
            // The value is a secret: the error must not show it.
            guard let hash = PasswordHash(try value.text()) else {
                let costs = PasswordHash.costs
                throw value.fault(
                    "must be a bcrypt hash of a cost from \(costs.lowerBound) to \(costs.upperBound), "
                        + "as htpasswd -nBC 10 makes it: $2y$10$ and 53 more characters")
            }
            self.users[name] = User(hash: hash)
        }
        for (name, value) in try scopes?.membersUnlessNull() ?? [] {
            guard self.users[name] != nil else { throw value.fault("names no user of basic_auth_users") }
            self.users[name]?.scopes = try Self.scopes(value)
        }
        guard let tokens, !tokens.isNull else { return }
        for element in try tokens.elements() {
            let members = try element.members(of: ["name", "sha256", "scopes"])
            guard let name = members["name"], try !name.text().isEmpty else { throw element.fault("needs a name") }
            let text = try name.text()
            guard !self.tokens.contains(where: { $0.name == text }) else {
                throw name.fault("is the name of another token; each needs its own")
            }
            guard let sha256 = members["sha256"] else { throw element.fault("needs sha256") }
            guard let digest = Digest(hex: try sha256.text()) else {
                throw sha256.fault(
                    "must be the token's SHA-256 digest: 64 hexadecimal digits, as sha256sum prints them")
            }
            guard let scopes = members["scopes"] else {
                throw element.fault("needs scopes, such as scopes: [record]")
            }
            self.tokens.append(Token(name: text, digest: digest, scopes: try Self.scopes(scopes)))
        }
    }

    private static func scopes(_ value: YAMLValue) throws(ConfigurationError) -> Set<Scope> {
        var scopes: Set<Scope> = []
        for element in try value.elements() {
            guard let scope = Scope(rawValue: try element.text()) else {
                throw element.fault("must be one of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
            }
            scopes.insert(scope)
        }
        return scopes
    }
}
