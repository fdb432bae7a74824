import Concurrency

/// A message for the log that many requests may give rise to: it is due once in a while. From any thread.
final class Notice: Sendable {
    private let interval: Duration
    private let last = Locked<ContinuousClock.Instant?>(nil)

    init(every interval: Duration) {
        self.interval = interval
    }

    /// Whether the message is to be logged now; then it is not due again before the interval has passed.
    func isDue(at now: ContinuousClock.Instant = .now) -> Bool {
        last.withLock { last in
            if let last, now - last < interval { return false }
            last = now
            return true
        }
    }
}
