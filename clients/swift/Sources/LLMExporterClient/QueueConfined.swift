import Dispatch
import NIOConcurrencyHelpers

/// Work on `State` that may wait for a disk: one closure at a time, on a private serial queue, never on the threads
/// that run the agent's tasks.
final class QueueConfined<State: Sendable>: Sendable {
    private let queue = DispatchQueue(label: "llm_exporter")
    // Never contended; it makes the compiler's proof.
    private let state: NIOLockedValueBox<State>

    init(_ state: State) { self.state = NIOLockedValueBox(state) }

    /// Runs `work` after all that was asked for before, whether or not the task is cancelled.
    func perform<Result: Sendable>(_ work: @escaping @Sendable (inout State) -> Result) async -> Result {
        await withCheckedContinuation { continuation in
            queue.async { continuation.resume(returning: self.state.withLockedValue { work(&$0) }) }
        }
    }
}
