private import CSystemd
private import Glibc

/// The sockets that the service manager opened and hands over, as sd_listen_fds(3) says.
package enum InheritedSockets {
    /// Takes them all. To be called once, as it also takes them out of the environment.
    ///
    /// - Returns: at least one descriptor; each listens for TCP connections.
    /// - Throws: where there is none, or one of another kind.
    package static func take() throws(InheritedSocketError) -> [Int32] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        let count = unsafe sd_listen_fds_with_names(1, &names)
        guard count >= 0 else { throw .unreadable(reason: unsafe String(cString: strerror(-count))) }
        guard count > 0 else { throw .none }
        defer {
            for index in 0..<Int(count) { unsafe free(names?[index]) }
            unsafe free(names)
        }
        var descriptors: [Int32] = []
        for index in 0..<count {
            // SD_LISTEN_FDS_START, a macro.
            let descriptor = 3 + index
            guard
                [AF_INET, AF_INET6].contains(where: { family in
                    sd_is_socket(descriptor, family, Int32(SOCK_STREAM.rawValue), 1) > 0
                })
            else {
                let name = unsafe names?[Int(index)].map { unsafe String(cString: $0) } ?? "unknown"
                throw .notListening(name: name, place: Int(index) + 1)
            }
            descriptors.append(descriptor)
        }
        return descriptors
    }
}

/// Why the sockets of the service manager cannot be served.
package enum InheritedSocketError: Error, Sendable, CustomStringConvertible {
    /// Nothing was handed over.
    case none
    /// What was handed over, the `place`-th, counted from 1, by its `FileDescriptorName=`, is no TCP socket that listens.
    case notListening(name: String, place: Int)
    /// The environment does not say it as systemd does.
    case unreadable(reason: String)

    package var description: String {
        switch self {
        case .none:
            "systemd has handed over no socket; start llm-exporter.socket (systemctl enable --now llm-exporter.socket), "
                + "or leave the flag out and listen on --web.listen-address"
        case .notListening(let name, let place):
            "socket \(place) of systemd, \(name), is no TCP socket that listens; "
                + "in its unit use ListenStream= with a port, such as 127.0.0.1:10140, and Accept=no"
        case .unreadable(let reason):
            "LISTEN_FDS cannot be read (\(reason)); start the program by systemd, or leave the flag out"
        }
    }
}
