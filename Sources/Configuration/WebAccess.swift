extension WebConfiguration.User {
    /// Beyond it a single password takes seconds to check, and who sends wrong ones holds up the others.
    private static let greatestCost = 16

    /// - Parameters:
    ///   - users: `basic_auth_users`.
    ///   - scopes: `user_scopes`; who is not in it may record and scrape.
    static func all(_ users: YAMLValue?, scopes: YAMLValue?) throws(ConfigurationError) -> [Self] {
        var scopesByUser: [String: Set<WebConfiguration.Scope>] = [:]
        let users = try users?.members() ?? []
        for (name, value) in try scopes?.members() ?? [] {
            guard users.contains(where: { $0.name == name }) else {
                throw value.fault("names nobody of basic_auth_users")
            }
            scopesByUser[name] = try WebConfiguration.Scope.all(value)
        }
        var all: [Self] = []
        for (name, value) in users {
            // RFC 7617, section 2: the name ends at the first colon.
            guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: ":")) else {
                throw value.fault("needs a name, without a colon")
            }
            let hash = try value.text()
            guard isBcrypt(hash) else {
                throw value.fault(
                    "must be a bcrypt hash ($2b$10$…), as htpasswd -nBC 10 USER prints it behind the name")
            }
            let user = Self(name: name, hash: hash, scopes: scopesByUser[name] ?? [.record, .scrape])
            guard (4...greatestCost).contains(user.cost) else {
                throw value.fault(
                    "has a cost of \(user.cost); use one from 10 to \(greatestCost), such as htpasswd -nBC 10 USER")
            }
            all.append(user)
        }
        return all
    }

    private static func isBcrypt(_ hash: String) -> Bool {
        let bytes = Array(hash.utf8)
        let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
        return bytes.count == 60 && ["$2a$", "$2b$", "$2y$"].contains(hash.prefix(4))
            && digits.contains(bytes[4]) && digits.contains(bytes[5]) && bytes[6] == UInt8(ascii: "$")
            && bytes[7...].allSatisfy { byte in
                digits.contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "/")
            }
    }
}

extension WebConfiguration.Token {
    static func all(_ value: YAMLValue) throws(ConfigurationError) -> [Self] {
        var tokens: [Self] = []
        for element in try value.elements() {
            let members = try element.members(of: ["name", "sha256", "scopes"])
            guard let nameValue = members["name"], let digestValue = members["sha256"],
                let scopesValue = members["scopes"]
            else { throw element.fault("needs name, sha256 and scopes") }
            let name = try nameValue.text()
            guard !name.isEmpty, !tokens.contains(where: { $0.name == name }) else {
                throw nameValue.fault("must not be empty, nor another token's")
            }
            guard let digest = digest(try digestValue.text()) else {
                throw digestValue.fault(
                    "must be the SHA-256 of the token, 64 hexadecimal digits: printf %s TOKEN | sha256sum")
            }
            guard !tokens.contains(where: { $0.digest == digest }) else {
                throw digestValue.fault("is another token's, too")
            }
            tokens.append(Self(name: name, digest: digest, scopes: try WebConfiguration.Scope.all(scopesValue)))
        }
        return tokens
    }

    private static func digest(_ text: String) -> [UInt8]? {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

extension WebConfiguration.Scope {
    fileprivate static func all(_ value: YAMLValue) throws(ConfigurationError) -> Set<Self> {
        var scopes: Set<Self> = []
        for element in try value.elements() {
            guard let scope = Self(rawValue: try element.text()) else {
                throw element.fault("must be one of \(allCases.map(\.rawValue).joined(separator: ", "))")
            }
            scopes.insert(scope)
        }
        return scopes
    }
}

extension WebConfiguration.Header {
    /// The headers that the exporter-toolkit knows, and what it allows of them; `nil` is any value.
    private static let known: [(name: String, values: [String]?)] = [
        ("Content-Security-Policy", nil), ("Strict-Transport-Security", nil),
        ("X-Content-Type-Options", ["nosniff"]), ("X-Frame-Options", ["deny", "sameorigin"]), ("X-XSS-Protection", nil),
    ]

    /// - Parameter server: `http_server_config`.
    static func all(_ server: YAMLValue) throws(ConfigurationError) -> [Self] {
        let members = try server.members(of: ["http2", "headers"])
        // The toolkit serves HTTP/2 unless told otherwise; every client of it speaks HTTP/1.1, too.
        if let http2 = members.value("http2") { _ = try http2.boolean() }
        guard let headers = members.value("headers") else { return [] }
        var all: [Self] = []
        for (name, value) in try headers.members() {
            guard let header = known.first(where: { $0.name == name }) else {
                throw value.unknown(among: known.map(\.name))
            }
            let text = try value.text()
            if let values = header.values, !values.contains(text.lowercased()) {
                throw value.fault("must be \(values.joined(separator: " or "))")
            }
            guard !text.isEmpty, text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
                throw value.fault("must be one line of ASCII")
            }
            all.append(Self(name: name, value: text))
        }
        return all
    }
}
