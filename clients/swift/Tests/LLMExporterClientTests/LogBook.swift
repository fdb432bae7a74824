import Logging
import NIOConcurrencyHelpers

@testable import LLMExporterClient

/// The warnings of a logger.
final class LogBook: Sendable {
    private let lines = NIOLockedValueBox<[String]>([])

    var warnings: [String] { lines.withLockedValue { $0 } }
    var logger: Logger { Logger(label: "test") { _ in Handler(book: self) } }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.warning

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) { book.lines.withLockedValue { $0.append(event.message.description) } }
    }
}

extension LLMMonitor {
    /// A monitor that does not read the environment, and sends soon.
    static func test(
        _ url: String, log: LogBook = LogBook(), linger: Duration = .milliseconds(10), expiry: Duration = Sender.expiry,
        environment: [String: String] = [:], _ change: (inout Configuration) -> Void = { _ in }
    ) -> LLMMonitor {
        var configuration = Configuration()
        configuration.linger = linger
        configuration.logger = log.logger
        change(&configuration)
        return LLMMonitor(url: url, configuration: configuration, environment: environment, expiry: expiry)
    }
}

extension Statistics {
    /// Statistics with some counts.
    static func of(_ change: (inout Self) -> Void) -> Self {
        var statistics = Statistics()
        change(&statistics)
        return statistics
    }

    var isAccountedFor: Bool { recorded + adopted == queued + sent + duplicates + rejected + dropped + expired }
}
