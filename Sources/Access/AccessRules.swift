/// What a request may do (docs/securing.md).
package enum Scope: String, CaseIterable, Sendable {
    case record, scrape, admin
}

/// Who may do what, as the web configuration says.
package struct AccessRules: Sendable {
    package var users: [String: User] = [:]
    package var tokens: [Token] = []

    package struct User: Sendable {
        package let hash: PasswordHash
        package var scopes: Set<Scope>

        package init(hash: PasswordHash, scopes: Set<Scope> = [.record, .scrape]) {
            self.hash = hash
            self.scopes = scopes
        }
    }

    package struct Token: Sendable {
        package let name: String
        /// SHA-256.
        package let digest: Digest
        package let scopes: Set<Scope>

        package init(name: String, digest: Digest, scopes: Set<Scope>) {
            self.name = name
            self.digest = digest
            self.scopes = scopes
        }
    }

    package init() {}

    /// Whether everybody may do everything: there is nobody to tell apart.
    package var isOpen: Bool { users.isEmpty && tokens.isEmpty }

    /// What the bearer of a token may do; `nil` for a stranger. Its time tells nothing of the tokens that there are.
    package func scopes(bearing token: String) -> Set<Scope>? {
        guard let digest = Digest(sha256: Array(token.utf8)) else { return nil }
        var found: Set<Scope>?
        for token in tokens where token.digest.isEqual(to: digest) { found = token.scopes }
        return found
    }

    /// The hash that a password is checked against: for a name that is no user's, one that no password has and that
    /// takes as long. The same for the same name, so that asking twice tells nothing.
    package func hash(for name: String, key: DigestKey) -> PasswordHash {
        if let user = users[name] { return user.hash }
        let costs = users.values.map(\.hash.cost).sorted()
        guard !costs.isEmpty else { return PasswordHash(matchingNothingAt: PasswordHash.usualCost) }
        let place = key.digest(of: Array(name.utf8)).map { Int($0.leadingByte) } ?? 0
        return PasswordHash(matchingNothingAt: costs[place % costs.count])
    }
}
