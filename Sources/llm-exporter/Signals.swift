import Glibc

/// Signals that the program waits for.
///
/// They are blocked in this thread and in all threads that are started later. A signal that arrives before `next` stays
/// pending; a handler, or ignoring it, would lose it.
struct Signals {
    private var set = sigset_t()

    init(_ numbers: Int32...) {
        // Safe: the system reads and writes the local set only during the calls.
        unsafe sigemptyset(&set)
        for number in numbers { unsafe sigaddset(&set, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits for the next of them.
    func next() -> Int32 {
        var set = set
        var number: Int32 = 0
        // Safe: both are local variables.
        unsafe sigwait(&set, &number)
        return number
    }
}
