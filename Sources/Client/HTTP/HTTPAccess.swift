/// Who asks, and whose certificates are believed.
package struct HTTPAccess: Sendable {
    /// Certificates of authorities in PEM; `nil` for the system's.
    package let certificateFile: String?
    /// For basic authentication; what stands in a URL goes before.
    let username: String?
    let password: String?
    /// For bearer authentication, where there is no user.
    let token: String?

    package static let none = HTTPAccess(environment: [:])

    /// The variables that the clients of this repository read, too: `LLM_EXPORTER_USERNAME` and `_PASSWORD`,
    /// `LLM_EXPORTER_TOKEN`, `LLM_EXPORTER_CA_FILE`. Not flags: what is secret does not belong into the list of processes.
    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            environment["LLM_EXPORTER_" + name].flatMap { $0.isEmpty ? nil : $0 }
        }
        certificateFile = value("CA_FILE")
        username = value("USERNAME")
        password = value("PASSWORD")
        token = value("TOKEN")
    }
}
