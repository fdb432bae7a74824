import ArgumentParser
import Model
import Service
import Store

/// Reads the values of flags; each error says what was expected, with an example.
enum FlagValue {
    static func listenAddress(_ text: String) throws -> ListenAddress {
        guard let address = ListenAddress(text) else {
            throw ValidationError(
                "expected host:port, :port or [::1]:port with a port from 0 to 65535, such as 127.0.0.1:10140")
        }
        return address
    }

    static func telemetryPath(_ text: String) throws -> String {
        guard Settings.canBeTelemetryPath(text) else {
            throw ValidationError("expected a path that begins with / and is not another route, such as /metrics")
        }
        return text
    }

    static func folder(_ text: String) throws -> StorageFolder {
        guard !text.isEmpty else { throw ValidationError("expected a folder, such as /var/lib/llm-exporter") }
        return StorageFolder(text)
    }

    static func label(_ text: String) throws -> LabelValue {
        guard !text.isEmpty else { throw ValidationError("expected a name") }
        return LabelValue(text)
    }

    static func count(_ bounds: ClosedRange<Int>) -> @Sendable (String) throws -> Int {
        { text in
            guard let count = Int(text), bounds.contains(count) else {
                throw ValidationError("expected a whole number from \(bounds.lowerBound) to \(bounds.upperBound)")
            }
            return count
        }
    }

    static func timeSpan(_ text: String) throws -> TimeSpan {
        guard let span = TimeSpan(text) else {
            throw ValidationError("expected a duration above 0 and up to ten years, such as 24h, 1d12h, 90s or 500ms")
        }
        return span
    }

    static func byteSize(_ text: String) throws -> ByteSize {
        guard let size = ByteSize(text) else {
            throw ValidationError(
                "expected a size from 1KiB to 2GiB, such as 32MiB or 500KB; a number without a unit is bytes")
        }
        return size
    }

    static func buckets(_ text: String) throws -> Buckets {
        guard let buckets = Buckets(text) else {
            throw ValidationError(
                "expected at most \(Buckets.limit) bounds in seconds above 0, increasing, separated by commas, "
                    + "to the microsecond, such as 0.1,0.5,1,2.5,5,10"
            )
        }
        return buckets
    }
}

/// A duration as Prometheus writes it: `24h`, `1d12h`, `90s`, `500ms`.
struct TimeSpan: CustomStringConvertible {
    let duration: Duration

    private static let units: [(name: String, milliseconds: Int64)] = [
        ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000),
    ]

    /// The longest: ten years.
    private static let limitMilliseconds: Int64 = 3650 * 86_400_000

    init(_ duration: Duration) {
        self.duration = duration
    }

    /// In the largest unit up to hours that divides it: `24h`.
    var description: String {
        let milliseconds = duration.wholeMilliseconds
        let unit = Self.units.last { $0.milliseconds <= 3_600_000 && milliseconds % $0.milliseconds == 0 }
        return unit.map { "\(milliseconds / $0.milliseconds)\($0.name)" } ?? "\(milliseconds)ms"
    }

    init?(_ text: String) {
        var rest = text[...]
        var milliseconds: Int64 = 0
        repeat {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            rest.removeFirst(digits.count)
            let name = rest.prefix { $0.isASCII && $0.isLetter }
            rest.removeFirst(name.count)
            guard let number = Int64(digits), let unit = Self.units.first(where: { $0.name == name }) else {
                return nil
            }
            let (part, overflow) = number.multipliedReportingOverflow(by: unit.milliseconds)
            guard !overflow, part <= Self.limitMilliseconds - milliseconds else { return nil }
            milliseconds += part
        } while !rest.isEmpty
        guard milliseconds > 0 else { return nil }
        self.init(.milliseconds(milliseconds))
    }
}

/// A size in bytes: `32MiB`, `500KB`, `1048576`.
struct ByteSize: CustomStringConvertible {
    let bytes: Int

    private static let units: [(name: String, bytes: Int)] = [
        ("", 1), ("b", 1), ("kb", 1000), ("kib", 1 << 10), ("mb", 1_000_000), ("mib", 1 << 20), ("gb", 1_000_000_000),
        ("gib", 1 << 30),
    ]

    /// From a size that holds a record, so that 32 without its unit is found, to what simdjson reads: below 4 GiB.
    private static let limits = (1 << 10)...(2 << 30)

    init(bytes: Int) {
        self.bytes = bytes
    }

    /// In the largest unit of 1024 that divides it: `32MiB`.
    var description: String {
        let unit = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")].first { bytes % $0.0 == 0 }
        return unit.map { "\(bytes / $0.0)\($0.1)" } ?? "\(bytes)"
    }

    init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let name = text.dropFirst(digits.count).lowercased()
        guard let number = Int(digits), let unit = Self.units.first(where: { $0.name == name }) else { return nil }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit.bytes)
        guard !overflow, Self.limits.contains(bytes) else { return nil }
        self.init(bytes: bytes)
    }
}

/// Upper bounds of the histograms in seconds: `0.1,0.5,1`.
struct Buckets: CustomStringConvertible {
    let bounds: HistogramBounds

    /// Most bounds: each series shows a line for each.
    static let limit = 64

    init(bounds: HistogramBounds) {
        self.bounds = bounds
    }

    init?(_ text: String) {
        var microseconds: [Int64] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = DecimalNumber(part.utf8), !number.isNegative,
                let value = number.magnitude(scale: 6).flatMap(Int64.init(exactly:))
            else { return nil }
            microseconds.append(value)
        }
        guard microseconds.count <= Self.limit, let bounds = HistogramBounds(microseconds: microseconds) else {
            return nil
        }
        self.init(bounds: bounds)
    }

    var description: String {
        bounds.microseconds.map { PlainDecimal.text(Int128($0), scale: 6) }.joined(separator: ",")
    }
}
