/// A server's answer to one request.
package struct HTTPAnswer: Equatable, Sendable {
    /// The status code, 100 to 599.
    package let status: Int
    /// The body, as sent.
    package let body: [UInt8]
    /// How long the answer asks to wait before the next request (RFC 9110, section 10.2.3).
    package let retryAfter: Duration?

    package init(status: Int, body: [UInt8], retryAfter: Duration? = nil) {
        self.status = status
        self.body = body
        self.retryAfter = retryAfter
    }
}
