import HTTPServer
import Model

/// Why a request was refused, for programs and people (RFC 9457).
struct Problem: Sendable {
    let status: Int
    let detail: String
    var headers: [(name: String, value: String)] = []
    var outcome: BatchOutcome?
    var budget: BudgetAccount?
    var closesConnection = false

    /// Seconds after which a sender should try again; for refusals that applied nothing.
    static let retryAfterSeconds = 1

    var response: Response {
        var json = JSONWriter()
        json.object { json in
            json.key("title")
            json.string(Self.title(of: status))
            json.key("status")
            json.number(status)
            json.key("detail")
            json.string(detail)
            outcome?.write(to: &json)
            budget?.write(to: &json)
        }
        return Response(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers, body: json.line,
            closesConnection: closesConnection)
    }

    static func retryLater(status: Int = 503, _ detail: String, closesConnection: Bool = false) -> Problem {
        Problem(
            status: status, detail: detail, headers: [("Retry-After", String(retryAfterSeconds))],
            closesConnection: closesConnection)
    }

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

    private static func title(of status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 402: "Payment Required"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 503: "Service Unavailable"
        case 507: "Insufficient Storage"
        default: "Internal Server Error"
        }
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

/// What became of one request's records, as acknowledgements and problems tell it.
struct BatchOutcome: Sendable {
    let accepted: Int
    let duplicates: Int
    let rejections: RejectedRecords
    let warnings: [String]

    /// Whether there were records and none of them was, or had been, counted.
    var isRefused: Bool { !rejections.isEmpty && accepted + duplicates == 0 }

    func write(to json: inout JSONWriter) {
        json.key("accepted")
        json.number(accepted)
        json.key("duplicates")
        json.number(duplicates)
        json.key("rejected")
        json.number(rejections.count)
        json.key("errors")
        json.array { json in
            for (index, rejection) in rejections.listed {
                json.object { json in
                    json.key("index")
                    json.number(index)
                    if let field = rejection.field {
                        json.key("field")
                        json.string(field)
                    }
                    json.key("code")
                    json.string(rejection.code.rawValue)
                    json.key("message")
                    json.string(rejection.message)
                }
            }
        }
        guard !warnings.isEmpty else { return }
        json.key("warnings")
        json.array { json in for warning in warnings { json.string(warning) } }
    }
}
