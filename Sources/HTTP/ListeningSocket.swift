private import CHTTPShim
private import Glibc

/// A bound socket that accepts connections, not yet served.
package struct ListeningSocket: Sendable {
    let descriptor: Int32
    /// Whether another process holds it as well, and connections may wait in it for a successor.
    let isShared: Bool
    /// `127.0.0.1:10140` or `[::1]:10140`, with the port that was really taken.
    package let address: String

    /// - Parameters:
    ///   - host: a name or address; `nil` listens on all addresses.
    ///   - port: 0 picks a free one.
    package init(host: String?, port: UInt16) throws(HTTPServerError) {
        var isInUse = false
        var reason: UnsafePointer<CChar>?
        // Safe: the texts are lent for the call; the reason is a static text.
        let descriptor = unsafe withOptionalCString(host) { host in
            unsafe chttpshim_listen(host, String(port), &isInUse, &reason)
        }
        guard descriptor >= 0 else {
            if isInUse { throw .addressInUse }
            throw .cannotListen(reason: unsafe reason.map { unsafe String(cString: $0) } ?? "unknown reason")
        }
        self.descriptor = descriptor
        isShared = false
        address = Self.address(of: descriptor)
    }

    /// A socket that listens already, as a service manager hands it over. The manager keeps it open: connections that
    /// are not accepted wait for the next program.
    ///
    /// - Parameter descriptor: taken over.
    package init(inherited descriptor: Int32) {
        self.descriptor = descriptor
        isShared = true
        // A server thread must not wait for a connection that another thread has taken.
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        address = Self.address(of: descriptor)
    }

    private static func address(of descriptor: Int32) -> String {
        // The longest is an IPv6 address with a scope: 80 bytes hold it.
        var text = [CChar](repeating: 0, count: 80)
        // Safe: the call fills no more than the buffer.
        let isKnown = unsafe chttpshim_socket_address(descriptor, &text, text.count)
        let bytes = text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
        return isKnown ? String(decoding: bytes, as: UTF8.self) : "an unknown address"
    }
}
