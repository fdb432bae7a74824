internal import Model

/// The time of a call as its sender reports it: a date of RFC 3339, section 5.6, or seconds since 1970.
enum Timestamp {
    /// - Returns: `nil` for a number below 0. A number past all dates gives the last instant there is.
    static func instant(unixSeconds token: BorrowedBytes) -> Instant? {
        guard let number = DecimalNumber(token), !number.isNegative else { return nil }
        let milliseconds = number.magnitude(scale: 3) ?? Int128.max
        return Instant(unixMilliseconds: Int64(clamping: milliseconds))
    }

    /// - Returns: `nil` for anything but the grammar and for days and hours that no calendar or clock has.
    static func instant(rfc3339 text: BorrowedBytes) -> Instant? {
        unixNanoseconds(rfc3339: text).map {
            Instant(unixMilliseconds: Int64(($0 - ($0 < 0 ? 999_999 : 0)) / 1_000_000))
        }
    }

    /// The same to the nanosecond.
    static func unixNanoseconds(rfc3339 text: BorrowedBytes) -> Int128? {
        var rest = text[...]
        guard let year = digits(4, from: &rest), take("-", from: &rest), let month = digits(2, from: &rest),
            take("-", from: &rest), let day = digits(2, from: &rest), take("T", or: "t", from: &rest),
            let hour = digits(2, from: &rest), take(":", from: &rest), let minute = digits(2, from: &rest),
            take(":", from: &rest), let second = digits(2, from: &rest),
            let fraction = fraction(from: &rest), let offset = offsetMinutes(from: &rest), rest.isEmpty,
            let date = CivilDate(year: year, month: month, day: day), hour < 24, minute < 60, second <= 60
        else { return nil }
        let minutes = date.daysSince1970 * 1440 + hour * 60 + minute - offset
        guard second == 60 else { return Int128(minutes * 60 + second) * 1_000_000_000 + Int128(fraction) }
        // Leap seconds end a day of UTC; Unix time has no number for them, so the second before ends with them.
        guard minutes % 1440 == 1439 || minutes % 1440 == -1 else { return nil }
        return Int128(minutes * 60 + 59) * 1_000_000_000 + 999_000_000
    }

    private typealias Rest = Slice<BorrowedBytes>

    private static func take(_ first: Unicode.Scalar, or second: Unicode.Scalar? = nil, from rest: inout Rest) -> Bool {
        guard let byte = rest.first, byte == UInt8(ascii: first) || second.map({ byte == UInt8(ascii: $0) }) == true
        else { return false }
        rest.removeFirst()
        return true
    }

    private static func digit(from rest: inout Rest) -> Int? {
        guard let byte = rest.first, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
        rest.removeFirst()
        return Int(byte - UInt8(ascii: "0"))
    }

    private static func digits(_ count: Int, from rest: inout Rest) -> Int? {
        var value = 0
        for _ in 0..<count {
            guard let digit = digit(from: &rest) else { return nil }
            value = value * 10 + digit
        }
        return value
    }

    /// Whole nanoseconds of a fraction of any length; 0 without a fraction, `nil` for a point without digits.
    private static func fraction(from rest: inout Rest) -> Int? {
        guard take(".", from: &rest) else { return 0 }
        guard let first = digit(from: &rest) else { return nil }
        var nanoseconds = first * 100_000_000
        var weight = 10_000_000
        while let digit = digit(from: &rest) {
            nanoseconds += digit * weight
            weight /= 10
        }
        return nanoseconds
    }

    private static func offsetMinutes(from rest: inout Rest) -> Int? {
        if take("Z", or: "z", from: &rest) { return 0 }
        let isWest = rest.first == UInt8(ascii: "-")
        guard isWest || rest.first == UInt8(ascii: "+") else { return nil }
        rest.removeFirst()
        guard let hours = digits(2, from: &rest), take(":", from: &rest), let minutes = digits(2, from: &rest),
            hours < 24, minutes < 60
        else { return nil }
        return (isWest ? -1 : 1) * (hours * 60 + minutes)
    }
}
