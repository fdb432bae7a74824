package import Configuration
import HTTPServer

extension TLSIdentity {
    /// Makes of a configuration what can be served; `nil` where it asks for none.
    convenience init?(_ web: WebConfiguration) throws(ConfigurationError) {
        guard let tls = web.tls else { return nil }
        var settings = Settings(certificate: tls.certificate, key: tls.key)
        settings.clientAuthorities = tls.clientAuthorities ?? []
        settings.clients =
            switch tls.clients {
            case .none: .none
            case .requested: .requested
            case .required: .required
            case .verifiedIfGiven: .verifiedIfGiven
            case .verified: .verified
            }
        settings.clientNames = tls.allowedClientNames
        settings.servesTLS12 = tls.versions.contains(.tls12)
        settings.servesTLS13 = tls.versions.contains(.tls13)
        settings.prefersOwnSuites = tls.prefersOwnSuites
        do throws(Failure) {
            try self.init(settings)
        } catch {
            switch error {
            case .certificate(let reason):
                throw ConfigurationError(tls.certificatePlace, "cannot be served: \(reason)")
            case .clientAuthorities(let reason):
                throw ConfigurationError(tls.clientAuthoritiesPlace, "is no certificate in PEM: \(reason)")
            case .versions(let reason):
                throw ConfigurationError(tls.certificatePlace, "these versions of TLS cannot be served: \(reason)")
            }
        }
    }
}

extension Exporter {
    /// Reads a web configuration, and whether its certificates can be served.
    package static func check(_ webConfigurationFile: String) throws(ConfigurationError) -> WebConfiguration {
        let web = try WebConfiguration(webConfigurationFile)
        _ = try TLSIdentity(web)
        return web
    }
}

extension ConfigurationError {
    static func changesTLS(_ path: String?, to serves: Bool) -> ConfigurationError {
        ConfigurationError(
            "--web.config.file \(path ?? "")",
            "tls_server_config was \(serves ? "added" : "removed"), which needs a restart")
    }
}

extension WebConfiguration {
    /// - Parameter path: `nil` for an exporter that is open to all.
    package init(_ path: String?) throws(ConfigurationError) {
        if let path { try self.init(path: path) } else { self.init() }
    }

    /// Whether nobody gets in who cannot show who he is.
    var isClosed: Bool { authenticates || tls?.clients == .verified }
}
