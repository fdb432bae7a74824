/// Why a request must be refused before anyone looks at its content.
package enum RequestFault: UInt32, Sendable, CaseIterable {
    // The order of `chttpshim_fault`, whose 0 is no fault.
    /// Two readers would see two different requests (RFC 9112, section 6.3).
    case contradictoryLength = 1
    /// RFC 9110, section 8.6.
    case malformedLength
    /// RFC 9112, section 3.2.
    case contradictoryHost
    /// RFC 9112, section 3.2.
    case malformedTarget
    /// A request line or a header that readers understand differently (RFC 9112, sections 2.2, 3, 5.1 and 5.2).
    case malformed
    case headersTooLarge
    /// The request came after `HTTPServer.drain`: what changes nothing may still be answered.
    case draining
    /// The server stops now: the answer must come within the call.
    case stopping
    /// The client's address was already at its connection limit.
    case tooManyConnections
    /// The certificates asked of clients changed since the connection began.
    case outdated
    case bodyTooLarge
    case outOfMemory
}
