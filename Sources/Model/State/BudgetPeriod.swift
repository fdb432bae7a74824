/// How long spending adds up before it begins at 0 again: whole hours, days, weeks or months of UTC.
package enum BudgetPeriod: String, CaseIterable, Sendable {
    case hour, day, week, month

    /// When the window that contains `time` began.
    package func start(of time: Instant) -> Instant { bounds(of: time).start }

    /// When the next window begins.
    package func end(of time: Instant) -> Instant { bounds(of: time).end }

    private func bounds(of time: Instant) -> (start: Instant, end: Instant) {
        let hourMilliseconds: Int64 = 3_600_000
        let dayMilliseconds = 24 * hourMilliseconds
        func window(from start: Int64, _ length: Int64) -> (Instant, Instant) {
            (Instant(unixMilliseconds: start), Instant(unixMilliseconds: start + length))
        }
        let day = time.unixMilliseconds.dividedDown(by: dayMilliseconds)
        switch self {
        case .hour:
            return window(
                from: time.unixMilliseconds.dividedDown(by: hourMilliseconds) * hourMilliseconds, hourMilliseconds)
        case .day: return window(from: day * dayMilliseconds, dayMilliseconds)
        case .week:
            // 1970-01-01 was a Thursday, so a Monday came three days before it.
            return window(from: ((day + 3).dividedDown(by: 7) * 7 - 3) * dayMilliseconds, 7 * dayMilliseconds)
        case .month:
            let date = CivilDate(daysSince1970: Int(day))
            return (
                Instant(unixMilliseconds: Int64(date.firstOfMonth.daysSince1970) * dayMilliseconds),
                Instant(unixMilliseconds: Int64(date.firstOfNextMonth.daysSince1970) * dayMilliseconds)
            )
        }
    }
}

extension Int64 {
    /// Rounded down, also below 0.
    fileprivate func dividedDown(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return quotient * divisor > self ? quotient - 1 : quotient
    }
}
