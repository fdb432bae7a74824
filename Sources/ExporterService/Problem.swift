import HTTPServer
import Model

/// Why a request was refused, for programs and people (RFC 9457).
struct Problem: Sendable {
    let status: Int
    let detail: String
    var headers: [(name: String, value: String)] = []
    var outcome: BatchOutcome?
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
        }
        return Response(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers, body: json.line,
            closesConnection: closesConnection)
    }

    static func retryLater(_ detail: String, closesConnection: Bool = false) -> Problem {
        Problem(
            status: 503, detail: detail, headers: [("Retry-After", String(retryAfterSeconds))],
            closesConnection: closesConnection)
    }

    private static func title(of status: Int) -> String {
        switch status {
        case 400: "Bad Request"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 422: "Unprocessable Content"
        case 503: "Service Unavailable"
        default: "Internal Server Error"
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
