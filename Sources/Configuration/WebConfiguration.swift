/// What `--web.config.file` says: TLS, who may come in, and headers of each answer.
///
/// The file of the Prometheus exporter-toolkit (docs/web-configuration.md there), with two keys more, `bearer_tokens` and
/// `user_scopes`.
package struct WebConfiguration: Sendable, Equatable {
    package var tls: TLS?
    package var users: [User] = []
    package var tokens: [Token] = []
    /// Of each answer.
    package var headers: [Header] = []

    package init() {}

    /// Whether everybody must say who he is.
    package var authenticates: Bool { !users.isEmpty || !tokens.isEmpty }

    /// What somebody may do.
    package enum Scope: String, CaseIterable, Sendable {
        case record, scrape, admin
    }

    package struct User: Sendable, Equatable {
        package let name: String
        /// A bcrypt hash as crypt(5) knows it: `$2b$10$…`.
        package let hash: String
        package let scopes: Set<Scope>

        package init(name: String, hash: String, scopes: Set<Scope>) {
            self.name = name
            self.hash = hash
            self.scopes = scopes
        }

        /// The binary logarithm of the rounds.
        package var cost: Int { Int(hash.dropFirst(4).prefix(2)) ?? 0 }
    }

    package struct Token: Sendable, Equatable {
        package let name: String
        /// 32 bytes, the SHA-256 of the token.
        package let digest: [UInt8]
        package let scopes: Set<Scope>

        package init(name: String, digest: [UInt8], scopes: Set<Scope>) {
            self.name = name
            self.digest = digest
            self.scopes = scopes
        }
    }

    package struct Header: Sendable, Equatable {
        package let name: String
        package let value: String
    }

    package struct TLS: Sendable, Equatable {
        /// In PEM, as read.
        package let certificate: [UInt8]
        package let key: [UInt8]
        /// Whose certificates of clients are believed.
        package let clientAuthorities: [UInt8]?
        package let clients: ClientCertificates
        /// Alternative names of which a client's certificate must have one; empty for any.
        package let allowedClientNames: [String]
        package let versions: Set<Version>
        package let prefersOwnSuites: Bool
        /// For messages: the files, with the flag.
        package let certificatePlace: String
        package let clientAuthoritiesPlace: String
    }

    package enum Version: String, CaseIterable, Sendable {
        case tls12 = "TLS12"
        case tls13 = "TLS13"
    }

    /// As Go's tls.ClientAuthType names them.
    package enum ClientCertificates: String, CaseIterable, Sendable {
        case none = "NoClientCert"
        case requested = "RequestClientCert"
        case required = "RequireAnyClientCert"
        case verifiedIfGiven = "VerifyClientCertIfGiven"
        case verified = "RequireAndVerifyClientCert"

        var verifies: Bool { self == .verified || self == .verifiedIfGiven }
    }

    private static let flag = "--web.config.file"
    private static let fileLimit = 1 << 20

    /// Reads the file, and those that it names, anew.
    ///
    /// - Throws: names the file, the line and the key, and never what a secret is.
    package init(path: String) throws(ConfigurationError) {
        let bytes = try Configuration.bytes(of: path, given: Self.flag, limit: Self.fileLimit)
        let file = "\(Self.flag) \(path)"
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ConfigurationError(file: file, line: nil, "not UTF-8")
        }
        guard let document = try YAMLValue.document(text, file: file), !document.isNull else { return }
        let members = try document.members(of: [
            "tls_server_config", "http_server_config", "basic_auth_users", "user_scopes", "bearer_tokens",
        ])
        if let tls = members.value("tls_server_config") { self.tls = try TLS(tls, besides: path) }
        if let server = members.value("http_server_config") { headers = try Header.all(server) }
        users = try User.all(members.value("basic_auth_users"), scopes: members.value("user_scopes"))
        if let tokens = members.value("bearer_tokens") { self.tokens = try Token.all(tokens) }
    }
}
