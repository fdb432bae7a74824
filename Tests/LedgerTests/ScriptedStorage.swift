import Concurrency
import Dispatch
import Model

@testable import Ledger
@testable import Store

/// A disk with scripted outcomes, whose durable state is known.
final class ScriptedStorage: Storage, Sendable {
    enum Outcome: Sendable {
        case full
        case failed
        /// Then found to be on disk, or not, by the `settle` that comes after `rounds` in vain.
        case undecided(isIn: Bool, rounds: Int = 0)
        /// Committed, once the semaphore is signalled.
        case blocked(DispatchSemaphore)
    }

    private struct State {
        /// `nil` is a commit.
        var script: [Outcome?] = []
        /// Calls: commits, replacements, probes, settles, closes.
        var calls: [String] = []
        var undecided: (isIn: Bool, rounds: Int, merge: @Sendable (inout LedgerState) -> Void)?
        var durable: LedgerState
        var isClosed = false
        var isBlocking = false
        var settlesNothing = false
    }

    private let state: Locked<State>

    init(_ durable: LedgerState) {
        state = Locked(State(durable: durable))
    }

    var isDurable: Bool { true }

    /// The state on disk.
    var durable: LedgerState { state.withLock { $0.durable } }
    var calls: [String] { state.withLock { $0.calls } }
    /// Whether a commit waits for its semaphore.
    var isBlocking: Bool { state.withLock { $0.isBlocking } }

    /// The outcomes of the next changes; those after them are committed.
    func script(_ outcomes: Outcome?...) { state.withLock { $0.script += outcomes } }

    /// Whether what is undecided stays so.
    func settlesNothing(_ settlesNothing: Bool) { state.withLock { $0.settlesNothing = settlesNothing } }

    func commit(_ batch: Batch) -> CommitOutcome { change("commit") { $0.adopt(batch) } }

    func replace(with state: LedgerState, at moment: Moment) -> CommitOutcome { change("replace") { $0 = state } }

    func probe() -> CommitOutcome { change("probe") { _ in } }

    private func change(_ name: String, _ merge: @escaping @Sendable (inout LedgerState) -> Void) -> CommitOutcome {
        let next = state.withLock { state -> Outcome? in
            state.calls.append(name)
            precondition(state.undecided == nil && !state.isClosed, "\(name) while it cannot be")
            return state.script.isEmpty ? nil : state.script.removeFirst()
        }
        switch next {
        case .full: return .refused(StoreError(.full, "no space"))
        case .failed: return .refused(StoreError(.failed, "no luck"))
        case .undecided(let isIn, let rounds):
            state.withLock { $0.undecided = (isIn, rounds, merge) }
            return .undecided(StoreError(.failed, "no answer"))
        case .blocked(let semaphore):
            state.withLock { $0.isBlocking = true }
            semaphore.wait()
            state.withLock { $0.isBlocking = false }
        case nil: break
        }
        state.withLock { merge(&$0.durable) }
        return .committed
    }

    func settle() -> CommitOutcome {
        state.withLock { state in
            state.calls.append("settle")
            guard let undecided = state.undecided else { preconditionFailure("nothing to settle") }
            if undecided.rounds > 0 || state.settlesNothing {
                state.undecided?.rounds = max(0, undecided.rounds - 1)
                return .undecided(StoreError(.failed, "still no answer"))
            }
            state.undecided = nil
            guard undecided.isIn else { return .refused(StoreError(.failed, "it was not")) }
            undecided.merge(&state.durable)
            return .committed
        }
    }

    var isUntidy: Bool { false }

    func tidy() {}

    func close() -> StoreError? {
        state.withLock { state in
            state.calls.append("close")
            state.isClosed = true
            return state.undecided == nil ? nil : StoreError(.failed, "it is undecided")
        }
    }
}
