/// Why the sockets of the service manager cannot be used.
package enum InheritedSocketError: Error, Sendable, CustomStringConvertible {
    /// No socket was passed.
    case none
    /// A descriptor is not a listening TCP socket.
    ///
    /// - Parameters:
    ///   - name: its `FileDescriptorName=`.
    ///   - place: its number, from 1.
    case notListening(name: String, place: Int)
    /// The variables are not those that systemd sets.
    case unreadable(reason: String)

    package var description: String {
        switch self {
        case .none:
            "systemd has handed over no socket; "
                + "start llm-exporter.socket (systemctl enable --now llm-exporter.socket), "
                + "or leave the flag out and listen on --web.listen-address"
        case .notListening(let name, let place):
            "socket \(place) of systemd, \(name), is no TCP socket that listens; "
                + "in its unit use ListenStream= with a port, such as 127.0.0.1:10140, and Accept=no"
        case .unreadable(let reason):
            "LISTEN_FDS cannot be read (\(reason)); start the program by systemd, or leave the flag out"
        }
    }
}
