import Logging
import NIOConcurrencyHelpers

/// Warnings, of each kind once.
final class Reports: Sendable {
    private let logger: Logger
    private let reported = NIOLockedValueBox<Set<String>>([])

    init(logger: Logger) { self.logger = logger }

    /// Warns, the first time of this kind; at debug level afterwards.
    func warn(_ kind: String, _ message: @autoclosure () -> String) {
        let isNew = reported.withLockedValue { $0.insert(kind).inserted }
        logger.log(level: isNew ? .warning : .debug, "\(message())")
    }

    /// Tells of something good.
    func note(_ message: String) { logger.info("\(message)") }
}
