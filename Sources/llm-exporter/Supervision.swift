import Concurrency
import Service
import Systemd

/// Tells the service manager how the exporter fares: ready, reloading, alive, stopping.
///
/// Alive is an exporter whose ledger does its work, not a process with a timer: the ledger itself sends the sign of life. A disk
/// that does not answer is no reason to be killed at once, as the next process would meet the same disk; one that holds an
/// operation for four times the watchdog's interval is.
final class Supervision: Sendable {
    private let manager = ServiceManager()
    private let state = Locked(State())

    private struct State {
        var ticker: Ticker?
        var isReady = false
        /// What people were last told of it.
        var obstacle: String?
        var summary = ""
    }

    /// How often to look, unless the watchdog wants to hear more often.
    private static let interval: Duration = .seconds(1)
    /// Asked for again and again while the start goes on.
    private static let moreTime: Duration = .seconds(30)
    /// A start that takes longer than this hangs.
    private static let startLimit: Duration = .seconds(30 * 60)
    /// Times the watchdog's interval that the disk may take for one operation.
    private static let diskPatience = 4

    /// The storage is being read, which takes as long as it takes.
    func opening() {
        guard manager.isListening else { return }
        manager.tell(.status("Reading the storage"))
        let end = ContinuousClock.now + Self.startLimit
        let ticker = Ticker(every: Self.interval) { [manager] in
            if .now < end { manager.tell(.moreTime(Self.moreTime)) }
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
                if !state.isReady { manager.tell(.moreTime(Self.moreTime)) }
                if obstacle != state.obstacle { manager.tell(.status("Not ready: \(obstacle)")) }
            } else if !state.isReady {
                state.isReady = true
                manager.tell(.ready, .status(state.summary))
            } else if state.obstacle != nil {
                manager.tell(.status(state.summary))
            }
            state.obstacle = obstacle
        }
        guard let watchdogInterval = manager.watchdogInterval else { return }
        exporter.whenAlive(diskLimit: watchdogInterval * Self.diskPatience) { [manager] in manager.tell(.alive) }
    }

    /// Reads prices and budgets anew.
    func reload(_ exporter: Exporter) {
        let isReady = state.withLock { $0.isReady }
        // To a manager that waits for the start a reload would be its end.
        if isReady { manager.tell(.reloading, .status("Reloading")) }
        exporter.reload { [self] failure in
            guard isReady else { return }
            let summary = state.withLock { $0.summary }
            manager.tell(.ready, .status(failure.map { "Reload failed: \($0)" } ?? summary))
        }
    }

    func stopping() {
        state.withLock { $0.ticker = nil }
        manager.tell(.stopping, .status("Answering the requests in flight"))
    }
}
