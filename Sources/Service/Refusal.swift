import Access
import Bodies
import Formats
import HTTP
import Ledger
import Model

/// Why a request is refused. Each case has its status, its detail and its headers in `problem`: nowhere else does a
/// refusal become a status.
enum Refusal: Error {
    case fault(RequestFault)
    // The client and its rights.
    case nothingHere
    case method(allowed: [String])
    case unauthenticated
    /// One of these scopes is needed.
    case forbidden(Set<Scope>)
    case tooManyPasswords
    case adminRoutesAreOff
    case arguments(String)
    // Bodies.
    case mediaType(remedy: String, accepted: String)
    case contentCoding
    case idempotencyKey
    case repeatedHeader(String)
    case malformed(String)
    case tooLarge
    case noMemory
    case decoderIsLate
    // The ledger, scrapes and budgets.
    case ledger(LedgerRefusal)
    case notReady(String)
    case readersAreSlow
    case noSuchBudget
    case spent(BudgetAccount)
    case nothingToForget
    case reload(String)

    /// The answer; `nil` if it is not known whether the request was applied: then the connection closes without one.
    func problem(bodyLimitBytes: Int) -> Problem? {
        switch self {
        case .fault(let fault): return Self.problem(of: fault, bodyLimitBytes: bodyLimitBytes)
        case .nothingHere:
            return Problem(status: 404, detail: "there is nothing at this path; GET / lists what there is")
        case .method(let allowed):
            let methods = allowed.joined(separator: ", ")
            return Problem(status: 405, detail: "this path answers \(methods)", headers: [("Allow", methods)])
        case .unauthenticated:
            return Self.authenticationRequired
        case .forbidden(let scopes):
            let names = scopes.map(\.rawValue).sorted().joined(separator: " or ")
            return Problem(
                status: 403,
                detail: "this needs the scope \(names); user_scopes and bearer_tokens of the web configuration give it")
        case .tooManyPasswords:
            return .retryLater(status: 429, "too many passwords wait to be checked; nothing was applied")
        case .adminRoutesAreOff:
            return Problem(
                status: 403, detail: "the admin routes are off; start the exporter with --web.enable-admin-api")
        case .arguments(let detail), .malformed(let detail): return Problem(status: 400, detail: detail)
        case .idempotencyKey:
            return Problem(status: 400, detail: "Idempotency-Key must have 1 to 200 bytes of UTF-8")
        case .repeatedHeader(let name):
            return Problem(status: 400, detail: "send \(name) once (RFC 9110, section 5.3)")
        case .mediaType(let remedy, let accepted):
            return Problem(status: 415, detail: remedy, headers: [("Accept", accepted)])
        case .contentCoding:
            let known = ContentCoding.allCases.map(\.rawValue).joined(separator: ", ")
            return Problem(
                status: 415, detail: "this Content-Encoding is not known; use one of \(known), or none",
                headers: [("Accept-Encoding", known)])
        case .tooLarge:
            return Problem(
                status: 413,
                detail: "the body exceeds \(bodyLimitBytes) bytes after decompression; "
                    + "send fewer records at a time, or raise --web.max-body-size")
        case .noMemory: return .retryLater("no memory to decode this body; nothing was applied")
        case .decoderIsLate:
            return .retryLater("other large bodies took too long to decode; nothing of this one was applied")
        case .ledger(let refusal): return Self.problem(of: refusal)
        case .notReady(let reason): return .retryLater(reason)
        case .readersAreSlow:
            return .retryLater("readers of earlier scrapes are slow, and hold the memory for more")
        case .noSuchBudget:
            return Problem(
                status: 404,
                detail: "there is no budget of this name; GET /api/v1/budgets lists them, --config.file makes them")
        case .spent(let account):
            return Problem(
                status: 402,
                detail: "the budget \(account.budget.name) is spent until \(account.windowEnd.rfc3339Seconds)"
            ) { account.write(to: &$0) }
        case .nothingToForget:
            return Problem(status: 404, detail: "no series has these labels; GET /summary lists agents and models")
        case .reload(let reason): return Problem(status: 500, detail: reason)
        }
    }

    /// The reason in one word, for logs and `GET /api/v1/rejections`.
    var code: String {
        switch self {
        case .fault(.bodyTooLarge), .tooLarge: "too_large"
        case .fault(.draining), .fault(.stopping), .ledger(.closed): "stopping"
        case .fault(.tooManyConnections): "too_many_connections"
        case .fault(.outdated): "outdated_connection"
        case .fault(.outOfMemory), .noMemory: "no_memory"
        case .fault: "malformed_request"
        case .repeatedHeader: "repeated_header"
        case .nothingHere: "no_such_path"
        case .method: "method"
        case .unauthenticated: "unauthenticated"
        case .forbidden: "forbidden"
        case .tooManyPasswords: "too_many_passwords"
        case .adminRoutesAreOff: "admin_api_off"
        case .arguments: "arguments"
        case .mediaType: "media_type"
        case .contentCoding: "content_coding"
        case .idempotencyKey: "idempotency_key"
        case .malformed: "malformed_body"
        case .decoderIsLate, .ledger(.overloaded): "overloaded"
        case .ledger(.storageFull): "storage_full"
        case .ledger(.storageFailed): "storage_failed"
        case .ledger(.outcomeUnknown): "outcome_unknown"
        case .notReady: "not_ready"
        case .readersAreSlow: "slow_readers"
        case .noSuchBudget: "no_such_budget"
        case .spent: "budget_spent"
        case .nothingToForget: "nothing_to_forget"
        case .reload: "reload_failed"
        }
    }

    /// Whether the sender must change what it sends, or its rights, before the same post can be taken. Strangers are
    /// not meant: they could fill the list of rejections.
    var blamesContent: Bool {
        switch self {
        case .fault(.bodyTooLarge), .tooLarge, .forbidden, .mediaType, .contentCoding, .idempotencyKey, .malformed: true
        default: false
        }
    }

    private static let authenticationRequired = Problem(
        status: 401,
        detail: "authentication required: user and password of basic_auth_users, or a token of bearer_tokens, "
            + "in the web configuration",
        headers: [("WWW-Authenticate", #"Basic realm="llm-exporter", charset="UTF-8", Bearer realm="llm-exporter""#)])

    private static func problem(of fault: RequestFault, bodyLimitBytes: Int) -> Problem? {
        switch fault {
        case .contradictoryLength:
            Problem(
                status: 400,
                detail: "send one Content-Length, or Transfer-Encoding: chunked, and not both (RFC 9112, section 6.3)",
                closesConnection: true)
        case .malformedLength:
            Problem(
                status: 400, detail: "Content-Length must be digits alone (RFC 9110, section 8.6)",
                closesConnection: true)
        case .contradictoryHost:
            Problem(status: 400, detail: "send one Host header (RFC 9112, section 3.2)", closesConnection: true)
        case .malformedTarget:
            Problem(
                status: 400, detail: "ask for a path, or for an http or https URI (RFC 9112, section 3.2)",
                closesConnection: true)
        case .malformed:
            Problem(
                status: 400,
                detail: "the request line or a header has a zero byte or a bare CR, a line is folded or ends otherwise "
                    + "than the others, or a header's name is no token (RFC 9112, sections 2.2 and 5)",
                closesConnection: true)
        case .headersTooLarge:
            Problem(status: 431, detail: "the headers are too large; send fewer cookies", closesConnection: true)
        case .draining, .stopping:
            .retryLater("the exporter is stopping; nothing was applied", closesConnection: true)
        case .tooManyConnections:
            .retryLater(
                status: 429,
                "your address is at its connection limit (--web.max-connections-per-address); "
                    + "use one connection for several requests; nothing was applied",
                closesConnection: true)
        case .outdated:
            .retryLater("the certificates changed: connect again; nothing was applied", closesConnection: true)
        case .bodyTooLarge: Refusal.tooLarge.problem(bodyLimitBytes: bodyLimitBytes)
        case .outOfMemory: .retryLater("no memory for this body; nothing was applied", closesConnection: true)
        }
    }

    private static func problem(of refusal: LedgerRefusal) -> Problem? {
        switch refusal {
        case .overloaded: .retryLater("more records wait to be stored than the exporter can hold; nothing was applied")
        case .storageFull(let reason):
            .retryLater(status: 507, "the disk of --storage.path is full; nothing was applied (\(reason))")
        case .storageFailed(let reason): .retryLater("the storage failed; nothing was applied (\(reason))")
        case .closed: .retryLater("the exporter is stopping; nothing was applied", closesConnection: true)
        case .outcomeUnknown: nil
        }
    }
}
