import Concurrency
import Service
import Systemd

/// Reports the exporter's state to the service manager: ready, reloading, alive, stopping.
///
/// The ledger's queue sends the keep-alive message, so an exporter whose ledger hangs is killed. If the disk hangs,
/// keep-alive messages go on for four times the watchdog's interval: the next process would meet the same disk.
final class Supervision: Sendable {
    private let manager = ServiceManager()
    private let state = Locked(State())

    private struct State {
        var ticker: Ticker?
        var isReady = false
        /// The obstacle in the last status that was sent.
        var obstacle: String?
        var summary = ""
    }

    /// How often the exporter is checked, unless the watchdog's interval asks for more.
    private static let interval: Duration = .seconds(1)
    /// The extension that is asked for each second while the exporter starts.
    private static let moreTime: Duration = .seconds(30)
    /// After this a start counts as hanging, and no more time is asked for.
    private static let startLimit: Duration = .seconds(30 * 60)
    /// The longest disk operation that counts as alive, in intervals of the watchdog.
    private static let diskPatience = 4

    /// The storage is being read. Asks for more time until that is done.
    func opening() {
        guard manager.isListening else { return }
        manager.notify(.status("Reading the storage"))
        let end = ContinuousClock.now + Self.startLimit
        let ticker = Ticker(every: Self.interval) { [manager] in
            if .now < end { manager.notify(.moreTime(Self.moreTime)) }
        }
        state.withLock { $0.ticker = ticker }
    }

    /// The exporter listens. It is ready once it can commit as well.
    func serving(_ exporter: Exporter, on addresses: [String]) {
        guard manager.isListening else { return }
        state.withLock {
            $0.ticker = nil
            $0.summary = "Listening on \(addresses.joined(separator: ", "))"
        }
        look(at: exporter)
        let interval = manager.watchdogInterval.map { min($0 / 3, Self.interval) } ?? Self.interval
        let ticker = Ticker(every: interval) { [weak self] in self?.look(at: exporter) }
        state.withLock { $0.ticker = ticker }
    }

    private func look(at exporter: Exporter) {
        let obstacle = exporter.obstacle
        state.withLock { state in
            if let obstacle {
                if !state.isReady { manager.notify(.moreTime(Self.moreTime)) }
                if obstacle != state.obstacle { manager.notify(.status("Not ready: \(obstacle)")) }
            } else if !state.isReady {
                state.isReady = true
                manager.notify(.ready, .status(state.summary))
            } else if state.obstacle != nil {
                manager.notify(.status(state.summary))
            }
            state.obstacle = obstacle
        }
        guard let watchdogInterval = manager.watchdogInterval else { return }
        exporter.whenAlive(diskLimit: watchdogInterval * Self.diskPatience) { [manager] in manager.notify(.alive) }
    }

    /// Reads prices and budgets again.
    func reload(_ exporter: Exporter) {
        let isReady = state.withLock { $0.isReady }
        // A manager that waits for READY=1 would take a RELOADING=1 for the end of the start.
        if isReady { manager.notify(.reloading, .status("Reloading")) }
        exporter.reload { [self] failure in
            guard isReady else { return }
            let summary = state.withLock { $0.summary }
            manager.notify(.ready, .status(failure.map { "Reload failed: \($0)" } ?? summary))
        }
    }

    func stopping() {
        state.withLock { $0.ticker = nil }
        manager.notify(.stopping, .status("Answering the requests in flight"))
    }
}
