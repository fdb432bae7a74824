package import Configuration
import Metrics
package import Model
package import Store

/// The operator's choices. The defaults of the flags stand here, and nowhere else (docs/flags.md).
package struct Settings: Sendable {
    package var listenAddresses = [ListenAddress(host: "127.0.0.1", port: 10140)]
    /// Connections at a time; `nil` for as many as the limit of open files allows.
    package var connections: Int?
    /// From one address at a time; `nil` for half of all.
    package var connectionsPerAddress: Int?
    /// Sockets that listen already, to be taken over; if there are any, `listenAddresses` are not used.
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
    /// Whether histograms restart at 0 if stored ones have bounds that cannot be converted.
    package var resetsHistogramsOnChange = false
    /// Whether scrapes in protobuf carry native histograms beside the classic ones.
    package var showsNativeHistograms = true
    /// Whether scrapes in OpenMetrics text carry `_created` samples.
    package var showsCreatedSamples = false
    /// The files of prices and budgets.
    package var configuration = Configuration.Sources()
    package var build: BuildDescription

    package init(build: BuildDescription) {
        self.build = build
    }

    /// The most that all bodies on one address take together, until they are decoded: eight of the largest. The minimum
    /// keeps many small posts from looking like too much under a small limit.
    var bodyMemoryBytes: Int { max(8 * bodyLimitBytes, 64 << 20) }

    /// The folder of the database, unless the operator names another.
    package static let storagePath = "data"

    /// The formats of a scrape.
    var formats: [ExpositionFormat] {
        [
            .text, .openMetrics(hasCreatedSamples: showsCreatedSamples),
            .protobuf(hasNativeHistograms: showsNativeHistograms),
        ]
    }

    /// Whether a path can be the telemetry path: absolute, of characters that no client encodes, and not another
    /// route's.
    package static func canBeTelemetryPath(_ path: String) -> Bool { Routes.isFree(path) }
}

/// The place of the state.
package enum StorageChoice: Sendable {
    case memory
    case folder(StorageFolder)

    var folder: StorageFolder? {
        if case .folder(let folder) = self { folder } else { nil }
    }
}
