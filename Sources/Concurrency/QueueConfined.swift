private import Dispatch
private import Model

/// Work on `State`, one closure at a time, on a private serial queue.
package final class QueueConfined<State>: @unchecked Sendable {
    // Unchecked: `state` is reached only inside `queue`, which runs one block at a time.
    private let queue: DispatchQueue
    private var state: State

    package init(_ state: sending State, label: String) {
        self.state = state
        // With the default priority: only root may raise it, and Dispatch logs a complaint.
        queue = DispatchQueue(label: label)
    }

    /// Runs `body` after all that was scheduled before it.
    package func schedule(_ body: @escaping @Sendable (inout State) -> Void) {
        queue.async { body(&self.state) }
    }

    /// Runs `body` now, on this thread.
    package func perform(_ body: (inout State) -> Void) {
        queue.sync { body(&state) }
    }

    package func schedule(after delay: Duration, _ body: @escaping @Sendable (inout State) -> Void) {
        queue.asyncAfter(deadline: .now() + .microseconds(Int(delay.wholeMicroseconds))) { body(&self.state) }
    }
}
