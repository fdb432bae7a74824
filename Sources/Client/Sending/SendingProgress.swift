extension Sending {
    /// What was sent so far, and what the exporter answered.
    package struct Progress: Sendable {
        package private(set) var records = 0
        package private(set) var accepted = 0
        package private(set) var duplicates = 0
        package private(set) var rejected = 0
        /// What was acknowledged without a gap from the beginning, in bytes.
        package internal(set) var bytes = 0
        /// The file's size when sending began; `nil` for anything but a regular file.
        package internal(set) var totalBytes: Int?
        /// Lines that an earlier run sent.
        package internal(set) var skippedLines = 0
        /// The first lines that were rejected, and why.
        package private(set) var rejections: [(line: Int, message: String)] = []
        /// The exporter's warnings, each once.
        package private(set) var warnings: [String] = []
        /// Why nothing is taken at the moment.
        package internal(set) var obstacle: String?
        /// Whether a last line without a line feed was left unsent, because another process may still be writing it.
        package internal(set) var leavesUnfinishedLine = false
        /// Whether everything was sent.
        package internal(set) var isComplete = false

        /// How many rejections, and how many warnings, are kept.
        private static let reportLimit = 10

        /// Adds an answer to `lines`.
        mutating func add(_ reply: RecordReply, to lines: [Batch.Line]) {
            obstacle = nil
            records += lines.count
            accepted += reply.accepted
            duplicates += reply.duplicates
            rejected += lines.count - reply.accepted - reply.duplicates
            for rejection in reply.rejections {
                guard let index = rejection.index, lines.indices.contains(index) else { continue }
                // The exporter names the line of the request; the file's line takes its place.
                let message = rejection.message.replacing(" (line \(index + 1))", with: "")
                report(lines[index].number, message)
            }
            for warning in reply.warnings where warnings.count < Self.reportLimit && !warnings.contains(warning) {
                warnings.append(warning)
            }
        }

        /// Adds a line that the exporter never takes.
        mutating func addRejected(_ line: Batch.Line, _ message: String) {
            records += 1
            rejected += 1
            report(line.number, message)
        }

        private mutating func report(_ line: Int, _ message: String) {
            if rejections.count < Self.reportLimit { rejections.append((line, message)) }
        }
    }
}
