import Client
import Glibc

extension HTTPAccess {
    /// As the environment tells.
    static var ofTheUser: HTTPAccess {
        let names = ["USERNAME", "PASSWORD", "TOKEN", "CA_FILE"].map { "LLM_EXPORTER_" + $0 }
        var environment: [String: String] = [:]
        for name in names {
            // Safe: nothing in this program changes the environment.
            if let value = unsafe getenv(name) { environment[name] = unsafe String(cString: value) }
        }
        return HTTPAccess(environment: environment)
    }
}
