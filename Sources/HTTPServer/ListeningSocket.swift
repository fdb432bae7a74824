private import CHTTPShim

/// A bound socket that accepts connections, not yet served.
package struct ListeningSocket: Sendable {
    let descriptor: Int32
    /// `127.0.0.1:10140` or `[::1]:10140`, with the port that was really taken.
    package let address: String

    /// - Parameters:
    ///   - host: a name or address; `nil` listens on all addresses.
    ///   - port: 0 picks a free one.
    package init(host: String?, port: UInt16) throws(HTTPServerError) {
        var reason: UnsafePointer<CChar>?
        let descriptor = unsafe Self.withOptionalCString(host) { host in
            unsafe llmhttp_listen(host, String(port), &reason)
        }
        guard descriptor >= 0 else {
            throw .cannotListen(reason: unsafe reason.map { unsafe String(cString: $0) } ?? "unknown reason")
        }
        self.descriptor = descriptor
        // A host name of a socket is an address, so 80 bytes hold it.
        let text = unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 80) { buffer in
            unsafe llmhttp_socket_address(descriptor, buffer.baseAddress, buffer.count)
                ? unsafe String(cString: buffer.baseAddress!) : ""
        }
        address = text
    }

    private static func withOptionalCString<Result>(
        _ text: String?, _ body: (UnsafePointer<CChar>?) -> Result
    ) -> Result {
        guard let text else { return unsafe body(nil) }
        return unsafe text.withCString(body)
    }
}

/// Why the server cannot run.
package enum HTTPServerError: Error, Sendable {
    /// The reason is the system's, such as "Address already in use".
    case cannotListen(reason: String)
    /// libmicrohttpd refused to start.
    case cannotStart
}
