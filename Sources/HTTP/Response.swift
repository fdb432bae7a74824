package import Bodies

/// A whole answer.
package struct Response: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    /// Sent in place of `body`.
    package var sharedBody: SharedBody?
    /// Whether the connection closes after the answer.
    package var closesConnection: Bool

    package init(
        status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = [], closesConnection: Bool = false
    ) {
        self.status = status
        self.headers = headers
        self.body = body
        self.closesConnection = closesConnection
    }

    package static func text(_ status: Int, _ body: String) -> Response {
        Response(status: status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(body.utf8))
    }

    package static func json(_ status: Int, _ body: JSONWriter) -> Response {
        Response(status: status, headers: [("Content-Type", "application/json")], body: body.line)
    }
}
