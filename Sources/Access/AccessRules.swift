/// What users and tokens may do, from the web configuration.
package struct AccessRules: Sendable {
    package var users: [String: User] = [:]
    package var tokens: [Token] = []

    package struct User: Sendable {
        package let hash: PasswordHash
        /// `nil` for the usual ones.
        package var ownScopes: Set<Scope>?
        package var scopes: Set<Scope> { ownScopes ?? [.record, .scrape] }

        package init(hash: PasswordHash, scopes: Set<Scope>? = nil) {
            self.hash = hash
            ownScopes = scopes
        }
    }

    package struct Token: Sendable {
        package let name: String
        /// SHA-256.
        package let digest: CredentialDigest
        package let principal: Principal

        package init(name: String, digest: CredentialDigest, scopes: Set<Scope>) {
            self.name = name
            self.digest = digest
            principal = Principal(name: "token \(name)", scopes: scopes)
        }
    }

    package init() {}

    /// Whether every request may do everything: there are no users and no tokens.
    package var isOpen: Bool { users.isEmpty && tokens.isEmpty }

    /// The bearer of a token; `nil` if it is unknown. Takes the same time for all tokens, known or not.
    package func principal(bearing token: String) -> Principal? {
        guard let digest = CredentialDigest(sha256: Array(token.utf8)) else { return nil }
        var found: Principal?
        for token in tokens where token.digest.isEqual(to: digest) { found = token.principal }
        return found
    }

    /// The hash that a password is checked against. An unknown name gets a hash that matches no password and takes as
    /// long as a user's, always the same for the same name: the time of an answer does not show which names exist.
    package func hash(for name: String, key: DigestKey) -> PasswordHash {
        if let user = users[name] { return user.hash }
        let costs = users.values.map(\.hash.cost).sorted()
        guard !costs.isEmpty else { return PasswordHash(matchingNothingAt: PasswordHash.usualCost) }
        let place = key.digest(of: Array(name.utf8)).map { Int($0.leadingByte) } ?? 0
        return PasswordHash(matchingNothingAt: costs[place % costs.count])
    }
}
