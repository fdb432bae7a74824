import ArgumentParser
import Client
import Dispatch
import Glibc

/// `llm-exporter send`: posts the records of a file.
struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Posts the records of an NDJSON file of any size to an exporter.",
        discussion: """
            Each record counts once: those without an id get one, which FILE.sent remembers with how far FILE was sent, for as \
            long as the exporter remembers ids (--dedup.window). Interrupted, or when FILE has grown, the same command \
            goes on there, under a new name too where FILE was rotated. Put corrected lines into a file of their own; remove FILE.sent to send all of FILE as new. \
            Exit code 1 when records were rejected or could not be sent.
            """)

    @Argument(help: "The file, or - for standard input, which is sent by one run.")
    var file: String

    @Option(
        help: ArgumentHelp(
            "The exporter to post to. Who asks is told by LLM_EXPORTER_USERNAME and LLM_EXPORTER_PASSWORD, or LLM_EXPORTER_TOKEN; LLM_EXPORTER_CA_FILE names the authorities that are believed.",
            valueName: "url"))
    var url = "http://127.0.0.1:10140"

    @Option(
        help: ArgumentHelp(
            "Connections at a time, 1 to 64; with 1, gauges of the last call show the last record of the file.",
            valueName: "number"))
    var connections = 4

    @Option(help: ArgumentHelp("Records in one request, 1 to 100000.", valueName: "number"))
    var batch = 1000

    func validate() throws {
        guard url.hasPrefix("http://") || url.hasPrefix("https://") else {
            throw ValidationError(
                "--url \(url): expected an address that begins with http:// or https://, such as http://127.0.0.1:10140"
            )
        }
        guard (1...64).contains(connections) else {
            throw ValidationError("--connections \(connections): expected a number from 1 to 64")
        }
        guard (1...100_000).contains(batch) else {
            throw ValidationError("--batch \(batch): expected a number from 1 to 100000")
        }
    }

    func run() throws {
        var settings = Sending.Settings(path: file, url: url)
        settings.access = .ofTheUser
        settings.connections = connections
        settings.linesPerRequest = batch
        let began = ContinuousClock.now
        // Before any thread is made, as each inherits what is blocked.
        let signals = Signals(SIGTERM, SIGINT)
        let sending: Sending
        let outcome: Result<Sending.Progress, SendingError>
        do throws(SendingError) {
            sending = try Sending(settings)
        } catch {
            throw Failure(error.description)
        }
        DispatchQueue.global().async { [sending] in
            _ = signals.next()
            sending.stop()
            // Whoever asks twice does not want to wait.
            _ = signals.next()
            _exit(Failure.runtime)
        }
        let teller = Teller(of: sending, name: file, began: began)
        do throws(SendingError) {
            outcome = .success(try sending.run())
        } catch {
            outcome = .failure(error)
        }
        teller.end()
        try report(sending.progress, outcome, in: .now - began)
    }

    private func report(
        _ progress: Sending.Progress, _ outcome: Result<Sending.Progress, SendingError>, in duration: Duration
    ) throws {
        for rejection in progress.rejections {
            StandardError.write("\(file):\(rejection.line): \(rejection.message)\n")
        }
        for warning in progress.warnings { StandardError.write("\(file): warning: \(warning)\n") }
        if progress.leavesUnfinishedLine {
            StandardError.write("\(file): the last line is not whole, and was left; send it again when it is\n")
        }
        let seconds = max(0.001, Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18)
        let rate = Int(Double(progress.records) / seconds)
        print(
            "\(file): \(progress.accepted) accepted, \(progress.duplicates) duplicates, \(progress.rejected) rejected, in "
                + "\((seconds * 10).rounded() / 10) s (\(rate) records a second)"
                + (progress.skippedLines > 0 ? "; \(progress.skippedLines) lines were sent before (\(file).sent)" : ""))
        if case .failure(let error) = outcome { throw Failure(error.description) }
        guard progress.rejected == 0 else {
            throw Failure(
                "\(progress.rejected) records were rejected and not counted; correct them, and send them in a file of their own"
            )
        }
        guard (try? outcome.get().isComplete) == true else {
            throw Failure("interrupted; the same command goes on there")
        }
    }
}

/// Tells on standard error how far it is: on a terminal by a line that changes, else by lines for a log, that it waits, and
/// that it goes on.
private final class Teller: @unchecked Sendable {
    // Unchecked: `isWaiting` is used on the timer's queue alone.
    private let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "llm-exporter.progress"))
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var isWaiting = false

    init(of sending: Sending, name: String, began: ContinuousClock.Instant) {
        // What is over within a second is not worth a line of a log.
        timer.schedule(
            deadline: isTerminal ? .now() : .now() + 1, repeating: isTerminal ? .milliseconds(100) : .seconds(1))
        timer.setEventHandler { [self] in
            if isTerminal {
                StandardError.write("\r\u{1B}[K" + Self.line(sending.progress, name, .now - began))
            } else {
                tell(sending.progress.obstacle, name)
            }
        }
        timer.activate()
    }

    func end() {
        timer.cancel()
        // Clears the line.
        if isTerminal { StandardError.write("\r\u{1B}[K") }
    }

    private func tell(_ obstacle: String?, _ name: String) {
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
