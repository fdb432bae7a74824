import Access
package import Configuration
import HTTP

/// The web configuration in force: read at the start and with each reload.
package final class WebAccess: Sendable {
    let path: String
    /// `nil` speaks plain HTTP. GnuTLS needs it before a client's hello: fixed while the servers run.
    let tlsPriorities: String?
    private let gatekeeper: Gatekeeper<WebSettings>

    /// The settings that a reload replaces together with the access rules.
    struct WebSettings: Sendable {
        let configuration: WebConfiguration

        /// Whether requests need a password, a token or a verified certificate.
        var authenticates: Bool {
            !configuration.access.isOpen || configuration.tls?.clientCertificate == .verified
        }
    }

    /// A web configuration that can be used as a whole.
    struct Candidate: Sendable {
        let configuration: WebConfiguration
        let identity: TLSIdentity?

        init(path: String) throws(ConfigurationError) {
            configuration = try WebConfiguration(path: path)
            identity = try configuration.tls.map { tls throws(ConfigurationError) in try TLSIdentity(tls) }
        }

        var inForce: Gatekeeper<WebSettings>.InForce {
            .init(rules: configuration.access, settings: WebSettings(configuration: configuration))
        }
    }

    /// - Throws: names the file, the line and the key.
    package init(path: String) throws(ConfigurationError) {
        self.path = path
        let candidate = try Candidate(path: path)
        guard let gatekeeper = Gatekeeper(candidate.inForce) else {
            throw candidate.configuration.fault("cannot be used: the system gives no random bytes")
        }
        self.gatekeeper = gatekeeper
        tlsPriorities = candidate.configuration.tls?.priorities
        candidate.identity?.use()
    }

    /// Decides on requests that wait for a password check: the exporter stops.
    func stop() { gatekeeper.stop() }

    /// Whether requests need a password, a token or a verified certificate.
    var authenticates: Bool { gatekeeper.settings.authenticates }

    /// Added to each answer.
    var headers: [(name: String, value: String)] { gatekeeper.settings.configuration.headers }

    func judge(
        _ authorization: String?, needing scopes: Set<Scope>, from network: () -> String,
        _ decide: @escaping @Sendable (Result<Principal?, Refusal>) -> Void
    ) {
        gatekeeper.judge(authorization, needing: scopes, from: network, decide)
    }

    /// Reads the file, and those that it names, for `use`.
    ///
    /// - Throws: also for a change that takes a restart, such as one that turns authentication off.
    func candidate() throws(ConfigurationError) -> Candidate {
        let candidate = try Candidate(path: path)
        guard candidate.configuration.tls?.priorities == tlsPriorities else {
            throw candidate.configuration.fault(
                "turns TLS on or off, or changes its versions, cipher suites or curves: restart the exporter for that")
        }
        try candidate.configuration.checkReplacing(gatekeeper.settings.configuration)
        return candidate
    }

    /// Puts a configuration in force: rules, headers and TLS identity at one moment.
    ///
    /// - Throws: if it would turn off authentication that another reload has turned on since `candidate` read it.
    func use(_ candidate: Candidate) throws(ConfigurationError) {
        let configuration = candidate.configuration
        try gatekeeper.use(candidate.inForce) { (before) throws(ConfigurationError) in
            try configuration.checkReplacing(before.configuration)
            // Under a new identity that is the same, clients would have to connect again for nothing.
            let isSame = before.configuration.tls?.isAlike(configuration.tls) ?? false
            if !isSame { candidate.identity?.use() }
        }
    }
}

extension TLSIdentity {
    fileprivate convenience init(_ tls: WebConfiguration.TLS) throws(ConfigurationError) {
        do throws(Failure) {
            try self.init(
                certificate: tls.certificate, key: tls.key, clientCertificate: tls.clientCertificate,
                clientAuthorities: tls.clientAuthorities, clientNames: tls.clientNames)
        } catch {
            throw tls.fault(error.culprit, error.reason)
        }
    }
}
