import Glibc
import Testing

/// A socket of one kind, as a service manager might pass it.
final class TestSocket {
    enum Kind {
        /// TCP sockets that listen on the loopback address.
        case ipv4, ipv6
        /// A TCP socket that does not listen.
        case idle
        case datagram
        /// A unix stream socket that listens.
        case unix
    }

    let descriptor: Int32

    init(_ kind: Kind) throws {
        let family = kind == .ipv6 ? AF_INET6 : kind == .unix ? AF_UNIX : AF_INET
        descriptor = socket(family, Int32((kind == .datagram ? SOCK_DGRAM : SOCK_STREAM).rawValue), 0)
        try #require(descriptor >= 0)
        try #require(Self.bindToLoopback(descriptor, family) == 0)
        if kind != .idle, kind != .datagram { try #require(listen(descriptor, 1) == 0) }
    }

    deinit { close(descriptor) }

    private static func bindToLoopback(_ socket: Int32, _ family: Int32) -> Int32 {
        var address = sockaddr_storage()
        address.ss_family = sa_family_t(family)
        // A unix address of nothing but its family gets a free abstract name.
        var length = MemoryLayout<sa_family_t>.size
        // Safe: a sockaddr_storage is large enough for each of the three, and outlives the call.
        return unsafe withUnsafeMutablePointer(to: &address) { storage in
            if family == AF_INET {
                length = MemoryLayout<sockaddr_in>.size
                unsafe storage.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    unsafe $0.pointee.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
                }
            } else if family == AF_INET6 {
                length = MemoryLayout<sockaddr_in6>.size
                unsafe storage.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    unsafe $0.pointee.sin6_addr = in6addr_loopback
                }
            }
            return unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(length))
            }
        }
    }
}
