import Access
import Concurrency
package import Configuration
import HTTP

/// The web configuration in force: read at the start and with each reload.
package final class WebAccess: Sendable {
    let path: String
    private let gatekeeper: Gatekeeper
    private let headersInForce: Locked<[(name: String, value: String)]>
    /// `nil` speaks plain HTTP. What GnuTLS is told before a client says hello: fixed while the servers run.
    let tlsPriorities: String?
    private let tlsInForce: Locked<WebConfiguration.TLS?>

    /// A web configuration that can be used, all of it.
    struct Candidate: Sendable {
        let configuration: WebConfiguration
        let identity: TLSIdentity?

        init(path: String) throws(ConfigurationError) {
            configuration = try WebConfiguration(path: path)
            identity = try configuration.tls.map { tls throws(ConfigurationError) in try TLSIdentity(tls) }
        }
    }

    /// - Throws: names the file, the line and the key.
    package init(path: String) throws(ConfigurationError) {
        self.path = path
        let candidate = try Candidate(path: path)
        guard let gatekeeper = Gatekeeper(candidate.configuration.access) else {
            throw candidate.configuration.fault("cannot be used: the system gives no random bytes")
        }
        self.gatekeeper = gatekeeper
        headersInForce = Locked(candidate.configuration.headers)
        tlsPriorities = candidate.configuration.tls?.priorities
        tlsInForce = Locked(candidate.configuration.tls)
        candidate.identity?.use()
        authenticates = Locked(Self.authenticates(candidate.configuration))
    }

    /// Decides those who wait for their password to be compared: the exporter stops.
    func stop() { gatekeeper.stop() }

    private let authenticates: Locked<Bool>
    /// Whether strangers are kept out, by passwords, tokens or certificates.
    var keepsStrangersOut: Bool { authenticates.withLock { $0 } }

    private static func authenticates(_ configuration: WebConfiguration) -> Bool {
        !configuration.access.isOpen || configuration.tls?.clientCertificate == .verified
    }

    /// Added to each answer.
    var headers: [(name: String, value: String)] { headersInForce.withLock { $0 } }

    func admit(_ authorization: String?, needing scopes: Set<Scope>, _ admission: Admission) {
        gatekeeper.judge(authorization, needing: scopes, admission)
    }

    /// Reads the file, and those that it names, for `use`.
    ///
    /// - Throws: also for a change that takes a restart.
    func candidate() throws(ConfigurationError) -> Candidate {
        let candidate = try Candidate(path: path)
        guard candidate.configuration.tls?.priorities == tlsPriorities else {
            throw candidate.configuration.fault(
                "turns TLS on or off, or changes its versions, cipher suites or curves: restart the exporter for that")
        }
        return candidate
    }

    func use(_ candidate: Candidate) {
        headersInForce.withLock { $0 = candidate.configuration.headers }
        authenticates.withLock { $0 = Self.authenticates(candidate.configuration) }
        gatekeeper.use(candidate.configuration.access)
        // One that is the same would make clients connect anew.
        let isSame = tlsInForce.withLock { tls in
            defer { tls = candidate.configuration.tls }
            return tls?.isAlike(candidate.configuration.tls) ?? false
        }
        if !isSame { candidate.identity?.use() }
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
