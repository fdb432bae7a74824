import Client
import Glibc

extension HTTPAccess {
    /// The credentials and authorities that the environment names.
    static var ofTheUser: HTTPAccess {
        let names = ["USERNAME", "PASSWORD", "TOKEN", "CA_FILE"].map { "LLM_EXPORTER_" + $0 }
        var environment: [String: String] = [:]
        for name in names {
            // Safe: nothing in this program changes the environment, and the text is copied at once.
            if let value = unsafe getenv(name) { environment[name] = unsafe String(cString: value) }
        }
        return HTTPAccess(environment: environment)
    }
}
