private import Glibc

/// State under a lock, for steps so short that waiting for them does not matter.
///
/// A pthread mutex, not `Synchronization.Mutex`: the thread sanitizer does not see the futex of the latter, so it could
/// not tell a race from a lock.
@safe package final class Locked<State>: @unchecked Sendable {
    // Unchecked: `state` is reached only between lock and unlock.
    // Safe: the mutex is initialized before its first use, and destroyed with the last reference to this object.
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

    package func withLock<Result, Failure>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe pthread_mutex_lock(mutex)
        defer { unsafe pthread_mutex_unlock(mutex) }
        return try body(&state)
    }
}
