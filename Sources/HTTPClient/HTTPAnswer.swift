/// What a server answered to one request.
package struct HTTPAnswer: Equatable, Sendable {
    /// The status code, 100 to 599.
    package let status: Int
    /// The body, as sent.
    package let body: [UInt8]

    package init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}
