package import Access
package import HTTP

/// The content of `--web.config.file`: TLS, access rules, and headers of answers.
///
/// The Prometheus exporter-toolkit's file (docs/web-configuration.md there), with bearer tokens and scopes.
package struct WebConfiguration: Sendable {
    package var tls: TLS?
    package var access = AccessRules()
    /// Headers that are added to each answer.
    package var headers: [(name: String, value: String)] = []
    /// The file's name in errors.
    private let file: String

    package struct TLS: Sendable {
        /// PEM.
        package var certificate: String
        /// PEM.
        package var key: String
        package var clientCertificate = TLSIdentity.ClientCertificate.none
        /// PEM.
        package var clientAuthorities: String?
        package var clientNames: [String] = []
        /// Versions, cipher suites and groups, in GnuTLS's form.
        package var priorities: String

        let certificatePlace: YAMLValue
        let keyPlace: YAMLValue
        let authoritiesPlace: YAMLValue?

        /// Whether clients see the same identity and rules.
        package func isAlike(_ other: Self?) -> Bool {
            certificate == other?.certificate && key == other?.key && clientCertificate == other?.clientCertificate
                && clientAuthorities == other?.clientAuthorities && clientNames == other?.clientNames
        }

        /// Names the line of the part that cannot be used.
        package func fault(_ culprit: TLSIdentity.Culprit, _ reason: String) -> ConfigurationError {
            switch culprit {
            case .certificate, .memory:
                certificatePlace.fault("holds no certificate that can be used (PEM is wanted): \(reason)")
            case .key:
                keyPlace.fault("holds no private key that can be used (PEM without a passphrase is wanted): \(reason)")
            case .pair: keyPlace.fault("is not the key of the certificate: \(reason)")
            case .clientAuthorities:
                (authoritiesPlace ?? certificatePlace).fault("holds no certificate (PEM is wanted): \(reason)")
            }
        }
    }

    /// Reads the file and those that it names.
    ///
    /// - Throws: names the file, the line and the key; shows no hash, token or key.
    package init(path: String) throws(ConfigurationError) {
        file = "--web.config.file \(path)"
        let text = try ConfigurationFile.text(of: path, named: file)
        guard let document = try YAMLValue.document(text, file: file), !document.isNull else {
            throw ConfigurationError(file: file, line: nil, Self.nothing)
        }
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
        try checkThatItProtects(members)
    }

    private static let nothing =
        "sets nothing, and so protects nothing: give it users, tokens, TLS or headers, or leave --web.config.file out"

    /// Refuses a file that would let everyone in although someone meant it to ask for credentials.
    private func checkThatItProtects(_ members: [String: YAMLValue]) throws(ConfigurationError) {
        guard access.isOpen, tls?.clientCertificate != .verified else { return }
        for key in ["basic_auth_users", "bearer_tokens"] {
            guard let value = members[key] else { continue }
            throw value.fault("is empty, so that everyone would be let in: add an entry, or remove the key")
        }
        if tls == nil, headers.isEmpty { throw fault(Self.nothing) }
    }

    /// Refuses a reload that would let in clients without the credentials that are needed now.
    ///
    /// An editor that saves a file truncates it first: what a reload reads in that instant must not open the door.
    ///
    /// - Parameter current: the configuration in force.
    package func checkReplacing(_ current: WebConfiguration) throws(ConfigurationError) {
        let before = current.tls
        let opening: String? =
            if access.isOpen, !current.access.isOpen {
                "has no users and no tokens any more"
            } else if before?.clientCertificate.isRequired == true, tls?.clientCertificate.isRequired != true {
                "does not require client certificates any more"
            } else if before?.clientCertificate == .verified, tls?.clientCertificate != .verified {
                "does not verify client certificates any more"
            } else if before?.clientNames.isEmpty == false, tls?.clientNames.isEmpty != false {
                "accepts client certificates of any name"
            } else {
                nil
            }
        if let opening {
            throw fault("\(opening), which would let strangers in: if you want that, restart the exporter")
        }
        for (name, user) in access.users.sorted(by: { $0.key < $1.key }) where user.ownScopes == nil {
            guard let known = current.access.users[name], !user.scopes.isSubset(of: known.scopes) else { continue }
            throw fault(
                "names \(name) in user_scopes no longer, which would give it more scopes: name them, or restart the "
                    + "exporter")
        }
    }

    /// An error of the file as a whole.
    package func fault(_ text: String) -> ConfigurationError {
        ConfigurationError(file: file, line: nil, text)
    }

    // MARK: Headers

    private static func headers(_ http: YAMLValue) throws(ConfigurationError) -> [(name: String, value: String)] {
        let members = try http.members(of: ["http2", "headers"])
        // Has no effect: the toolkit's default, true, only allows HTTP/2, and this server speaks HTTP/1.1.
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
