private import Glibc

/// State under a lock, for steps so short that waiting for them is no waiting.
///
/// On a pthread mutex and not on `Synchronization.Mutex`: the thread sanitizer knows the one and not the other, whose
/// futex lies in a library that it does not see into, and a race that it cannot tell from a lock it cannot report.
@safe package final class Locked<State>: @unchecked Sendable {
    // Unchecked: `state` is reached only between lock and unlock.
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var state: State

    package init(_ state: sending State) {
        unsafe mutex = .allocate(capacity: 1)
        unsafe mutex.initialize(to: pthread_mutex_t())
        unsafe pthread_mutex_init(mutex, nil)
        self.state = state
    }

    deinit {
        unsafe pthread_mutex_destroy(mutex)
        unsafe mutex.deallocate()
    }

    package func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return body(&state)
    }
}
