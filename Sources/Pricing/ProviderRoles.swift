/// The names that senders report as providers although these are frameworks or servers, and the providers that serve
/// the models of others.
package struct ProviderRoles: Sendable {
    /// Frameworks that name themselves as the provider of their calls.
    let frameworks: Set<String>
    /// Servers of an operator's own: what they serve has no price elsewhere.
    let servers: Set<String>
    /// Providers whose models' names begin with an organisation. Canonical names.
    let hosts: Set<String>

    package init(frameworks: Set<String> = [], servers: Set<String> = [], hosts: Set<String> = []) {
        self.frameworks = frameworks
        self.servers = servers
        self.hosts = hosts
    }
}
