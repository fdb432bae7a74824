private import Glibc

/// A model that needs about 150 ms for an answer and costs nothing.
///
/// It really sleeps: the latencies that are recorded are measured, not invented.
struct ModelStandIn: Sendable {
    /// Answers after 135 to 165 ms, with the tokens that the assignment names.
    func answer(_ assignment: Assignment) -> Usage {
        let microseconds = UInt32.random(in: 135_000...165_000)
        usleep(microseconds)
        return assignment.usage
    }
}
