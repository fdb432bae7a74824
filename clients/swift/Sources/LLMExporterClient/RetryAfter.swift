#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The header of RFC 9110, section 10.2.3: seconds, or a date.
enum RetryAfter {
    /// How long to wait from `now` on; nil for what is neither.
    static func delay(_ value: String, now: Date) -> Duration? {
        if let seconds = Int32(value), seconds >= 0 { return .seconds(seconds) }
        return date(value).map { .milliseconds(Int64(max(0, $0.timeIntervalSince(now)) * 1000)) }
    }

    /// An IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
    private static func date(_ value: String) -> Date? {
        let parts = value.split { " :,".contains($0) }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 8, parts[7] == "GMT", let month = months.firstIndex(of: String(parts[2])) else {
            return nil
        }
        let numbers = [parts[1], parts[3], parts[4], parts[5], parts[6]].compactMap { Int($0) }
        guard numbers.count == 5, let utc = TimeZone(secondsFromGMT: 0), (1970...9999).contains(numbers[1]) else {
            return nil
        }
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = utc
        return calendar.date(
            from: DateComponents(
                year: numbers[1], month: month + 1, day: numbers[0], hour: numbers[2], minute: numbers[3],
                second: numbers[4]))
    }
}
