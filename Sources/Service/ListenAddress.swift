/// An address to listen on: `host:port`, `:port` for all addresses, or `[::1]:port`.
package struct ListenAddress: Sendable, Equatable {
    /// `nil` is all addresses.
    package let host: String?
    /// 0 picks a free one.
    package let port: UInt16

    package init(host: String?, port: UInt16) {
        self.host = host
        self.port = port
    }

    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        self.init(host: host.isEmpty ? nil : host, port: port)
    }

    /// Whether only programs on this host can connect.
    package var isLoopback: Bool {
        guard let host else { return false }
        let isAddress = host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
        return host == "localhost" || host == "::1" || (isAddress && host.hasPrefix("127."))
    }
}

extension ListenAddress: CustomStringConvertible {
    package var description: String {
        guard let host else { return ":\(port)" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}
