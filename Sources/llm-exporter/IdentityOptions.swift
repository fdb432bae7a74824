import ArgumentParser
import Glibc
import HTTPClient

/// Whom a client command trusts, and as whom it comes; the environment is that of the Python client.
struct IdentityOptions: ParsableArguments {
    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp(
            "Certificates to trust for https, as PEM, in place of the system's. (default: $LLM_EXPORTER_CA_FILE)",
            discussion:
                "Passwords and tokens come from LLM_EXPORTER_USERNAME, LLM_EXPORTER_PASSWORD and LLM_EXPORTER_TOKEN.",
            valueName: "file"))
    var caFile: String?

    var identity: HTTPClient.Identity {
        var identity = HTTPClient.Identity()
        identity.caFile = caFile ?? Self.environment("LLM_EXPORTER_CA_FILE")
        identity.user = Self.environment("LLM_EXPORTER_USERNAME")
        identity.password = Self.environment("LLM_EXPORTER_PASSWORD")
        identity.token = Self.environment("LLM_EXPORTER_TOKEN")
        return identity
    }

    /// An empty variable is none.
    private static func environment(_ name: String) -> String? {
        // Safe: copied at once, and nothing in this program changes the environment.
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }
}
