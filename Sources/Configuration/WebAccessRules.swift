internal import Access

extension AccessRules {
    /// Reads `basic_auth_users`, `user_scopes` and `bearer_tokens`.
    init(users: YAMLValue?, scopes: YAMLValue?, tokens: YAMLValue?) throws(ConfigurationError) {
        self.init()
        for (name, value) in try users?.membersUnlessNull() ?? [] {
            guard !name.isEmpty, !name.contains(":") else {
                throw value.fault("has a name that basic authentication cannot carry: empty, or with a colon")
            }
            // The value is a secret, so the error does not show it.
            guard let hash = PasswordHash(try value.text()) else {
                let costs = PasswordHash.costs
                throw value.fault(
                    "must be a bcrypt hash of a cost from \(costs.lowerBound) to \(costs.upperBound), "
                        + "as htpasswd -nBC 10 makes it: $2y$10$ and 53 more characters")
            }
            self.users[name] = User(hash: hash)
        }
        let named = try scopes?.membersUnlessNull() ?? []
        if let scopes, named.isEmpty {
            throw scopes.fault("names no user, so that all would have the usual scopes; leave it out for that")
        }
        for (name, value) in named {
            guard self.users[name] != nil else { throw value.fault("names no user of basic_auth_users") }
            self.users[name]?.ownScopes = try Self.scopes(value)
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
            guard let digest = CredentialDigest(hex: try sha256.text()) else {
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
