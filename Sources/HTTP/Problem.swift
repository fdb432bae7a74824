package import Bodies

/// Why a request was refused, for programs and people (RFC 9457).
package struct Problem: Sendable {
    package let status: Int
    package let detail: String
    package let headers: [(name: String, value: String)]
    package let closesConnection: Bool
    /// Writes the members beside `title`, `status` and `detail`.
    private let members: (@Sendable (inout JSONWriter) -> Void)?

    package init(
        status: Int, detail: String, headers: [(name: String, value: String)] = [], closesConnection: Bool = false,
        members: (@Sendable (inout JSONWriter) -> Void)? = nil
    ) {
        self.status = status
        self.detail = detail
        self.headers = headers
        self.closesConnection = closesConnection
        self.members = members
    }

    /// Seconds after which a sender should try again. Sent with refusals that applied nothing.
    package static let retryAfterSeconds = 1

    /// A refusal that applied nothing: the sender may try again.
    package static func retryLater(status: Int = 503, _ detail: String, closesConnection: Bool = false) -> Problem {
        Problem(
            status: status, detail: detail, headers: [("Retry-After", String(retryAfterSeconds))],
            closesConnection: closesConnection)
    }

    package var response: Response {
        var json = JSONWriter()
        json.object { json in
            json.key("title")
            json.string(Self.title(of: status))
            json.key("status")
            json.number(status)
            json.key("detail")
            json.string(detail)
            members?(&json)
        }
        return Response(
            status: status, headers: [("Content-Type", "application/problem+json")] + headers, body: json.line,
            closesConnection: closesConnection)
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
        case 431: "Request Header Fields Too Large"
        case 503: "Service Unavailable"
        case 507: "Insufficient Storage"
        default: "Internal Server Error"
        }
    }
}
