/// One moment by two clocks. Both are always parameters.
package struct Moment: Equatable, Sendable {
    /// By a clock that never steps: ids and leases expire by it. It means nothing to the next process.
    package let steady: Instant
    /// By the time of day, which may be set: budgets turn by it, and stored times are written in it.
    package let timeOfDay: Instant

    package init(steady: Instant, timeOfDay: Instant) {
        self.steady = steady
        self.timeOfDay = timeOfDay
    }

    /// A moment at which both clocks agree, as they do at a start.
    package init(_ instant: Instant) {
        self.init(steady: instant, timeOfDay: instant)
    }

    /// The time of day at an instant of the steady clock.
    package func timeOfDay(at steady: Instant) -> Instant {
        steady.adding(.milliseconds(timeOfDay.unixMilliseconds - self.steady.unixMilliseconds))
    }
}
