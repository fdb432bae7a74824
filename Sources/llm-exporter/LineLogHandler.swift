import ArgumentParser
import Glibc
import Logging

/// `--log.level`.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case debug, info, warn, error

    var level: Logger.Level {
        switch self {
        case .debug: .debug
        case .info: .info
        case .warn: .warning
        case .error: .error
        }
    }

    /// As syslog(3) counts.
    var priority: Int {
        switch self {
        case .debug: 7
        case .info: 6
        case .warn: 4
        case .error: 3
        }
    }

    init(_ level: Logger.Level) {
        switch level {
        case .trace, .debug: self = .debug
        case .info, .notice: self = .info
        case .warning: self = .warn
        case .error, .critical: self = .error
        }
    }
}

/// `--log.format`.
enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case logfmt, json
}

/// Writes one line a message to standard error, as Prometheus' own programs do: `ts=… level=info msg="…" key=value`. To the
/// journal, which has a time of its own, without `ts`.
struct LineLogHandler: LogHandler {
    let format: LogFormat
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(format: LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let level = LogLevel(event.level)
        var fields = StandardError.isJournal ? [] : [("ts", Self.timestamp())]
        fields += [("level", level.rawValue), ("msg", event.message.description)]
        let metadata = metadata.merging(event.metadata ?? [:]) { _, newer in newer }
        fields += metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        StandardError.write(format == .json ? Self.json(fields) : Self.logfmt(fields), priority: level.priority)
    }

    private static func timestamp() -> String {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        unsafe gmtime_r(&now.tv_sec, &parts)
        // "2026-11-23T20:15:00" and the zero that ends it.
        var text = [CChar](repeating: 0, count: 20)
        unsafe strftime(&text, text.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let seconds = String(decoding: text.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        let milliseconds = String(now.tv_nsec / 1_000_000)
        return seconds + "." + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds + "Z"
    }

    private static func logfmt(_ fields: [(String, String)]) -> String {
        fields.map { "\($0)=\(isBare($1) ? $1 : quoted($1))" }.joined(separator: " ") + "\n"
    }

    private static func json(_ fields: [(String, String)]) -> String {
        "{" + fields.map { "\(quoted($0)):\(quoted($1))" }.joined(separator: ",") + "}\n"
    }

    private static func isBare(_ text: String) -> Bool {
        !text.isEmpty
            && text.unicodeScalars.allSatisfy { $0 > " " && $0 != "\"" && $0 != "=" && $0 != "\\" && $0 != "\u{7F}" }
    }

    /// Quoted and escaped so that a value is one line, whatever it holds, in logfmt and JSON alike.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\\(scalar)"
            case "\n": result += "\\n"
            case "\u{0}"..<" ", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
