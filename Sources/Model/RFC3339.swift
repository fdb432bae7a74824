extension Instant {
    /// In UTC, to the second (RFC 3339, section 5.6): `2026-11-23T20:15:00Z`. Parts of a second are cut off.
    package var rfc3339Seconds: String { rfc3339(fraction: "") }

    /// In UTC, to the millisecond: `2026-11-23T20:15:00.042Z`.
    package var rfc3339Milliseconds: String {
        rfc3339(fraction: "." + padded(unixMilliseconds - flooredSeconds * 1000, to: 3))
    }

    /// Rounded down, so that the moments before 1970 lie in the second that holds them.
    package var flooredSeconds: Int64 {
        (unixMilliseconds - (unixMilliseconds < 0 ? 999 : 0)) / 1000
    }

    private func rfc3339(fraction: String) -> String {
        let seconds = flooredSeconds
        let days = (seconds - (seconds < 0 ? 86_399 : 0)) / 86_400
        let date = CivilDate(daysSince1970: Int(days))
        let time = seconds - days * 86_400
        let day = "\(padded(date.year, to: 4))-\(padded(date.month, to: 2))-\(padded(date.day, to: 2))"
        let clock = "\(padded(time / 3600, to: 2)):\(padded(time / 60 % 60, to: 2)):\(padded(time % 60, to: 2))"
        return "\(day)T\(clock)\(fraction)Z"
    }

    private func padded(_ number: some BinaryInteger, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
