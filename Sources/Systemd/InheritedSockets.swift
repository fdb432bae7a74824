private import CSystemd
private import Glibc

/// The sockets that the service manager opened and passed to the program (sd_listen_fds(3)).
package enum InheritedSockets {
    /// A descriptor, and its `FileDescriptorName=`.
    typealias Passed = (descriptor: Int32, name: String)

    /// Takes them all. A second call finds none: the first removes their variables from the environment.
    ///
    /// - Returns: at least one descriptor; each listens for TCP connections.
    /// - Throws: if there is none, or if one is of another kind.
    package static func take() throws(InheritedSocketError) -> [Int32] { try checked(passed()) }

    private static func passed() throws(InheritedSocketError) -> [Passed] {
        var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
        // Safe: on success `names` is an array of `count` strings, which is ours to free.
        let count = unsafe sd_listen_fds_with_names(1, &names)
        // Safe: the text is static, or the thread's own (glibc since 2.32), and copied at once.
        guard count >= 0 else { throw .unreadable(reason: unsafe String(cString: strerror(-count))) }
        defer {
            for index in 0..<Int(count) { unsafe free(names?[index]) }
            unsafe free(names)
        }
        return (0..<count).map { index in
            let name = unsafe names?[Int(index)].map { unsafe String(cString: $0) }
            // 3 is the macro SD_LISTEN_FDS_START.
            return (3 + index, name ?? "unknown")
        }
    }

    /// - Returns: the descriptors, if there is one and each listens for TCP connections.
    static func checked(_ passed: [Passed]) throws(InheritedSocketError) -> [Int32] {
        guard !passed.isEmpty else { throw .none }
        for (index, (descriptor, name)) in passed.enumerated() {
            let isListening = [AF_INET, AF_INET6].contains { family in
                sd_is_socket(descriptor, family, Int32(SOCK_STREAM.rawValue), 1) > 0
            }
            guard isListening else { throw .notListening(name: name, place: index + 1) }
        }
        return passed.map(\.descriptor)
    }
}
