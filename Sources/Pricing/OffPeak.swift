internal import Model

/// Rates that hold at certain hours, in place of those that would hold otherwise.
package struct OffPeak: Equatable, Sendable {
    package let rates: Rates
    private let windows: [Window]
    /// The time zone of the days of the week, in minutes ahead of UTC.
    private let minutesAhead: Int64

    init(rates: Rates, windows: [Window], minutesAhead: Int64) {
        self.rates = rates
        self.windows = windows
        self.minutesAhead = minutesAhead
    }

    /// Hours of UTC on some days of the week.
    struct Window: Equatable, Sendable {
        /// Minutes of a day: the first of the window, and the first behind it. An end that is not later than the start
        /// is on the next day.
        let start: Int64
        let end: Int64
        /// Bit 1 is Monday, bit 7 is Sunday.
        let weekdays: UInt8

        static let everyDay: UInt8 = 0b1111_1110

        /// Reads `HH:MM-HH:MM`; `nil` for anything else.
        init?(_ text: String, weekdays: UInt8) {
            let times = text.split(separator: "-", omittingEmptySubsequences: false).map(Self.minute)
            guard times.count == 2, let start = times[0], let end = times[1] else { return nil }
            self.start = start
            self.end = end
            self.weekdays = weekdays
        }

        private static func minute(_ text: Substring) -> Int64? {
            var text = text
            while text.first == " " { text.removeFirst() }
            while text.last == " " { text.removeLast() }
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count == 2, let hour = Int64(parts[0]), let minute = Int64(parts[1]), (0..<24).contains(hour),
                (0..<60).contains(minute)
            else { return nil }
            return hour * 60 + minute
        }

        fileprivate var hours: String { "\(OffPeak.clock(start))-\(OffPeak.clock(end))" }

        /// Empty if it is every day.
        fileprivate var days: String {
            if weekdays == Self.everyDay { return "" }
            let days = zip(1..., ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
            return " on " + days.filter { weekdays & (1 << UInt8($0.0)) != 0 }.map(\.1).joined(separator: ", ")
        }

        fileprivate func contains(minuteOfDay minute: Int64, weekday: Int64) -> Bool {
            guard weekdays & (1 << UInt8(weekday)) != 0 else { return false }
            return start < end ? start <= minute && minute < end : minute >= start || minute < end
        }
    }

    /// For people: `16:30-00:30, 04:00-06:00 UTC on Mon, Tue`.
    package var hours: String {
        var parts: [(hours: String, days: String)] = []
        for window in windows {
            if parts.last?.days == window.days {
                parts[parts.count - 1].hours += ", \(window.hours)"
            } else {
                parts.append((window.hours, window.days))
            }
        }
        let zone = minutesAhead == 0 ? "" : " (days of UTC+\(Self.clock(minutesAhead)))"
        return parts.map { "\($0.hours) UTC\($0.days)" }.joined(separator: "; ") + zone
    }

    private static func clock(_ minutes: Int64) -> String {
        [minutes / 60, minutes % 60].map { $0 < 10 ? "0\($0)" : "\($0)" }.joined(separator: ":")
    }

    func holds(at time: Instant) -> Bool {
        let minutes = Self.floor(time.unixMilliseconds, 60_000)
        let minuteOfDay = minutes - Self.floor(minutes, 1440) * 1440
        // 1970-01-01 was a Thursday, the fourth day of a week.
        let day = Self.floor(minutes + minutesAhead, 1440) + 3
        let weekday = day - Self.floor(day, 7) * 7 + 1
        return windows.contains { $0.contains(minuteOfDay: minuteOfDay, weekday: weekday) }
    }

    private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
        value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
    }

    /// Time zones without summer time, by which providers reckon days; minutes ahead of UTC.
    static let timeZones: [String: Int64] = [
        "UTC": 0, "Etc/UTC": 0, "Asia/Kolkata": 330, "Asia/Shanghai": 480, "Asia/Singapore": 480, "Asia/Hong_Kong": 480,
        "Asia/Taipei": 480, "Asia/Seoul": 540, "Asia/Tokyo": 540,
    ]

    /// Days of the week, as price tables name them: 1 is Monday.
    static func weekday(_ name: String) -> UInt8? {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].firstIndex { name.lowercased().hasPrefix($0) }
            .map { UInt8($0) + 1 }
    }
}

extension OffPeak {
    /// Reads `off_peak_pricing`; `nil` if it has no hours.
    ///
    /// - Parameter rate: reads a rate.
    init?<Value: PriceValue>(
        _ value: Value, rate: (Value) throws(Value.Fault) -> Rate
    ) throws(Value.Fault) {
        var rates = Rates()
        var windows: [Window] = []
        var minutesAhead: Int64 = 0
        for (name, member) in try value.members() where !(Value.isLenient && member.isNull) {
            switch name {
            case "hours_utc": windows += try Self.windows(member, weekdays: Window.everyDay)
            case "windows":
                for window in try member.elements() { windows += try Self.windows(ofWeek: window) }
            case "weekday_timezone":
                guard let ahead = Self.timeZones[try member.text()] else {
                    throw member.fault("must be one of \(Self.timeZones.keys.sorted().joined(separator: ", "))")
                }
                minutesAhead = ahead
            default:
                if let kind = TokenKind.byRateField[name] {
                    rates[kind] = try rate(member)
                } else if !Value.isLenient {
                    throw member.unknown(
                        among: ["hours_utc", "windows", "weekday_timezone"] + TokenKind.allCases.map(\.rateField))
                }
            }
        }
        if windows.isEmpty || rates.isEmpty {
            guard Value.isLenient else { throw value.fault("needs hours_utc or windows, and a rate") }
            return nil
        }
        self.init(rates: rates, windows: windows, minutesAhead: minutesAhead)
    }

    private static func windows<Value: PriceValue>(ofWeek value: Value) throws(Value.Fault) -> [Window] {
        var weekdays = Window.everyDay
        var hours: Value?
        for (name, member) in try value.members() where !(Value.isLenient && member.isNull) {
            switch name {
            case "hours_utc": hours = member
            case "weekdays":
                weekdays = 0
                for day in try member.elements() { weekdays |= 1 << (try weekday(day)) }
            default: if !Value.isLenient { throw member.unknown(among: ["hours_utc", "weekdays"]) }
            }
        }
        guard let hours else { throw value.fault("needs hours_utc, as in 16:30-00:30") }
        return try windows(hours, weekdays: weekdays)
    }

    private static func windows<Value: PriceValue>(_ value: Value, weekdays: UInt8) throws(Value.Fault) -> [Window] {
        var windows: [Window] = []
        for element in value.isList ? try value.elements() : [value] {
            guard let window = Window(try element.text(), weekdays: weekdays) else {
                throw element.fault("must be hours of UTC as in 16:30-00:30")
            }
            windows.append(window)
        }
        return windows
    }

    private static func weekday<Value: PriceValue>(_ value: Value) throws(Value.Fault) -> UInt8 {
        if let number = try value.number()?.integer, (1...7).contains(number) { return UInt8(number) }
        guard let day = weekday(try value.text()) else {
            throw value.fault("must be a day of the week: 1 to 7, or mon to sun")
        }
        return day
    }
}
