import Client
import Dispatch
import Glibc

/// Shows on standard error how far `send` is: on a terminal in one line that changes; elsewhere, as in a log, one line
/// when it begins to wait for the exporter and one when it continues.
final class ProgressDisplay: @unchecked Sendable {
    // Unchecked: `isWaiting` is used on the timer's queue alone.
    private let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "llm-exporter.progress"))
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isWaiting = false

    init(of sending: Sending, name: String, began: ContinuousClock.Instant) {
        // A log gets no line about a wait that is over within a second.
        timer.schedule(
            deadline: isTerminal ? .now() : .now() + 1, repeating: isTerminal ? .milliseconds(100) : .seconds(1))
        timer.setEventHandler { [self] in
            if isTerminal {
                StandardError.write("\r\u{1B}[K" + Self.line(sending.progress, name, .now - began))
            } else {
                log(sending.progress.obstacle, name)
            }
        }
        timer.activate()
    }

    func end() {
        timer.cancel()
        // Clears the line.
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }

    private func log(_ obstacle: String?, _ name: String) {
        defer { isWaiting = obstacle != nil }
        if let obstacle {
            if !isWaiting { StandardError.write("\(name): waiting: \(obstacle)\n") }
        } else if isWaiting {
            StandardError.write("\(name): goes on\n")
        }
    }

    private static func line(_ progress: Sending.Progress, _ name: String, _ duration: Duration) -> String {
        var line = name
        if let total = progress.totalBytes, total > 0 {
            let part = min(1, Double(progress.bytes) / Double(total))
            let width = 30
            let done = Int(part * Double(width))
            line +=
                " [" + String(repeating: "#", count: done) + String(repeating: ".", count: width - done) + "]"
                + " \(Int(part * 100))%"
        }
        line += "  \(progress.records) records in \(duration.components.seconds) s"
        if progress.rejected > 0 { line += ", \(progress.rejected) rejected" }
        if let obstacle = progress.obstacle { line += "; waiting: \(obstacle)" }
        return line
    }
}
