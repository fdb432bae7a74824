/// The credentials of a client, and the authorities whose certificates it accepts.
package struct HTTPAccess: Sendable {
    /// Certificates of authorities in PEM; `nil` for those of the system.
    package let certificateFile: String?
    /// For basic authentication; a user in the URL takes precedence.
    let username: String?
    let password: String?
    /// For bearer authentication, if there is no user.
    let token: String?

    package static let none = HTTPAccess(environment: [:])

    /// The same authorities, with the credentials of `user`.
    func with(_ user: HTTPAddress.User) -> HTTPAccess {
        HTTPAccess(certificateFile: certificateFile, username: user.name, password: user.password, token: nil)
    }

    private init(certificateFile: String?, username: String?, password: String?, token: String?) {
        self.certificateFile = certificateFile
        self.username = username
        self.password = password
        self.token = token
    }

    /// Reads the variables that the other clients of this repository read, too: `LLM_EXPORTER_USERNAME`,
    /// `LLM_EXPORTER_PASSWORD`, `LLM_EXPORTER_TOKEN` and `LLM_EXPORTER_CA_FILE`. They are not flags, because the list
    /// of processes shows flags to every user.
    package init(environment: [String: String]) {
        func value(_ name: String) -> String? {
            environment["LLM_EXPORTER_" + name].flatMap { $0.isEmpty ? nil : $0 }
        }
        self.init(
            certificateFile: value("CA_FILE"), username: value("USERNAME"), password: value("PASSWORD"),
            token: value("TOKEN"))
    }
}
