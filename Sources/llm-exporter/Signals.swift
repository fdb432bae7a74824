import Glibc

/// Signals to wait for rather than to be interrupted by.
///
/// Blocked from the beginning, and so in all threads that are started later: one that comes before anybody waits stays
/// pending, where a handler or an ignored signal would lose it.
struct Signals {
    private var set = sigset_t()

    init(_ numbers: Int32...) {
        unsafe sigemptyset(&set)
        for number in numbers { unsafe sigaddset(&set, number) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// Waits.
    func next() -> Int32 {
        var set = set
        var number: Int32 = 0
        unsafe sigwait(&set, &number)
        return number
    }
}
