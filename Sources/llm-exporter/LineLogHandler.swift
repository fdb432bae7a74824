import Logging
import Model
import Service

/// Writes each message as one line to standard error, in the form of Prometheus' own programs:
/// `ts=… level=info msg="…" key=value`. The journal has a time of its own, so a line for it has no `ts`.
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
        var fields = StandardError.isJournal ? [] : [("ts", Instant.wallClock.rfc3339Milliseconds)]
        fields += [("level", level.rawValue), ("msg", event.message.description)]
        let metadata = metadata.merging(event.metadata ?? [:]) { _, newer in newer }
        fields += metadata.sorted { $0.key < $1.key }.map { ($0.key, $0.value.description) }
        StandardError.write(format.line(fields), priority: level.priority)
    }
}
