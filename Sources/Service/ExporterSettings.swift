package import Configuration
package import Model
package import Store

/// What the operator chose; defaults as docs/flags.md gives them.
package struct ExporterSettings: Sendable {
    package var listenAddresses = [ListenAddress.standard]
    /// Connections at a time; `nil` for as many as the limit of open files allows.
    package var connections: Int?
    /// From one address at a time; `nil` for half of all.
    package var connectionsPerAddress: Int?
    /// Sockets that listen already, to be taken over; where there are any, `listenAddresses` are not used.
    package var inheritedSockets: [Int32] = []
    package var telemetryPath = "/metrics"
    /// Counted after decompression.
    package var bodyLimitBytes = 32 << 20
    package var allowsAdminRoutes = false
    package var idWindow: Duration = .seconds(24 * 60 * 60)
    package var maxIDs = 5_000_000
    package var maxSeries = 10_000
    package var activeCallLease: Duration = .seconds(10 * 60)
    package var bounds = HistogramBounds.standard
    package var storage = StorageChoice.memory
    /// Whether histograms begin anew where stored ones have bounds that cannot be converted.
    package var resetsHistogramsOnChange = false
    /// Where prices and budgets are read from.
    package var configuration = Configuration.Sources()
    package var build: BuildDescription

    package init(build: BuildDescription) {
        self.build = build
    }
}

/// Where the state is kept.
package enum StorageChoice: Sendable {
    case memory
    case folder(StorageFolder)

    var folder: StorageFolder? {
        if case .folder(let folder) = self { folder } else { nil }
    }
}

/// Where to listen: `host:port`, `:port` for all addresses, or `[::1]:port`.
package struct ListenAddress: Sendable, Equatable {
    /// `nil` is all addresses.
    package let host: String?
    /// 0 picks a free one.
    package let port: UInt16

    package static let standard = ListenAddress(host: "127.0.0.1", port: 10140)

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

extension ExporterSettings {
    /// Whether `path` can be the telemetry path: absolute, of characters that no client encodes (RFC 3986, section 2.3),
    /// and no other route's.
    package static func isFreePath(_ path: String) -> Bool {
        path.hasPrefix("/")
            && path.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "/-._~".utf8.contains(byte)
                }
            }
            && !path.hasPrefix(Route.budgetPrefix)
            && Route.allCases.allSatisfy { $0 == .telemetry || $0.path(telemetry: path) != path }
    }
}
