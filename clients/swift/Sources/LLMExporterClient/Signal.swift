import NIOConcurrencyHelpers

/// Wakes the one task that waits for it. Raised while nobody waits, it is remembered once.
final class Signal: Sendable {
    private struct State {
        var isRaised = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = NIOLockedValueBox(State())

    /// Never waits.
    func raise() {
        let waiter = state.withLockedValue { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isRaised = true }
            return state.waiter
        }
        waiter?.resume()
    }

    /// Returns when the signal is raised, or at `deadline`; now and then, after a deadline just missed, for no reason.
    func wait(until deadline: ContinuousClock.Instant?) async {
        let timer = deadline.map { deadline in
            Task {
                try await Task.sleep(until: deadline, clock: .continuous)
                raise()
            }
        }
        await withCheckedContinuation { continuation in
            let isRaised = state.withLockedValue { state in
                if !state.isRaised { state.waiter = continuation }
                defer { state.isRaised = false }
                return state.isRaised
            }
            if isRaised { continuation.resume() }
        }
        timer?.cancel()
    }
}
