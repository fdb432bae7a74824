import Concurrency
import Metrics
import Model

/// When the exporter last committed and reloaded. From any thread.
final class Times: Sendable {
    private let state = Locked(State())

    private struct State: Sendable {
        var lastCommit: Instant?
        /// The first reload is the start's.
        var lastReloadSucceeded = true
        var lastSuccessfulReload = Instant.wallClock
    }

    func commit() { state.withLock { $0.lastCommit = .wallClock } }

    func reload(succeeded: Bool) {
        state.withLock { state in
            state.lastReloadSucceeded = succeeded
            if succeeded { state.lastSuccessfulReload = .wallClock }
        }
    }

    var lastCommit: Instant? { state.withLock { $0.lastCommit } }
    var lastReloadSucceeded: Bool { state.withLock { $0.lastReloadSucceeded } }
    var lastSuccessfulReload: Instant? { state.withLock { $0.lastSuccessfulReload } }
}

extension MetricFamily.Value {
    /// Unix time in seconds; 0 for none.
    static func seconds(_ instant: Instant?) -> Self { .scaled(Int128(instant?.unixMilliseconds ?? 0), scale: 3) }
}
