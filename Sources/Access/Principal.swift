/// A client that has shown its credentials, and what it may do.
package struct Principal: Sendable {
    /// `user ann` or `token ci`, by the web configuration.
    package let name: String
    package let scopes: Set<Scope>

    package init(name: String, scopes: Set<Scope>) {
        self.name = name
        self.scopes = scopes
    }
}
