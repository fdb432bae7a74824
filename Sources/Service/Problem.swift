import HTTP
import Ledger
import Model

extension Problem {
    static let unauthenticated = Problem(
        status: 401,
        detail: "say who you are: user and password of basic_auth_users, or a token of bearer_tokens, "
            + "in the web configuration",
        headers: [("WWW-Authenticate", #"Basic realm="llm-exporter", charset="UTF-8", Bearer realm="llm-exporter""#)])

    static func forbidden(_ route: Route) -> Problem {
        let scopes = (route.scopes ?? []).map(\.rawValue).sorted().joined(separator: " or ")
        return Problem(
            status: 403,
            detail: "this needs the scope \(scopes); user_scopes and bearer_tokens of the web configuration give it")
    }
}

extension LedgerRefusal {
    /// What the sender is told; `nil` where nobody can say what became of the request.
    var problem: Problem? {
        switch self {
        case .tooManyOpenCalls:
            .retryLater(
                "\(OpenCalls.limit) calls are in flight already; nothing was applied. "
                    + "Calls end with their end record or after --active-calls.lease")
        case .overloaded: .retryLater("more records wait to be stored than the exporter can hold; nothing was applied")
        case .storageFull(let reason):
            .retryLater(status: 507, "the disk of --storage.path is full; nothing was applied (\(reason))")
        case .storageFailed(let reason): .retryLater("the storage failed; nothing was applied (\(reason))")
        case .closed: .retryLater("the exporter is stopping; nothing was applied", closesConnection: true)
        case .outcomeUnknown: nil
        }
    }
}
