import ArgumentParser
import Client
import Dispatch
import Glibc
import Model

/// `llm-exporter send`: posts the records of a file.
struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Posts the records of an NDJSON file of any size to an exporter.",
        discussion: """
            Each record counts once, as long as the exporter remembers ids (--dedup.window): records without an \
            id get one. FILE.sent keeps these ids and how much of FILE was sent. After an interruption, or when \
            FILE has grown, the same command continues from there; after FILE was rotated, under its new name. \
            Put corrected lines into a file of their own; to send all of FILE as new, remove FILE.sent. Exit \
            code 1 when records were rejected or could not be sent.
            """)

    @Argument(help: "The file, or - for standard input, which is sent by one run.")
    var file: String

    @Option(
        help: ArgumentHelp(
            """
            The exporter to post to. LLM_EXPORTER_USERNAME and LLM_EXPORTER_PASSWORD, or LLM_EXPORTER_TOKEN, hold the \
            credentials: other users of the host may see a password in the URL in the list of processes. \
            LLM_EXPORTER_CA_FILE names the certificates of the authorities to trust.
            """,
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
        try ExporterURL.check(url)
        guard (1...64).contains(connections) else {
            throw ValidationError("--connections \(connections): expected a number from 1 to 64")
        }
        guard (1...100_000).contains(batch) else {
            throw ValidationError("--batch \(batch): expected a number from 1 to 100000")
        }
    }

    func run() throws {
        let began = ContinuousClock.now
        // Before any thread starts: each inherits the blocked signals.
        let signals = Signals(SIGTERM, SIGINT)
        let sending: Sending
        do throws(SendingError) {
            sending = try Sending(settings)
        } catch {
            throw Failure(error.description)
        }
        DispatchQueue.global().async { [sending] in
            _ = signals.next()
            sending.stop()
            // A second signal ends it without waiting for the requests in flight.
            _ = signals.next()
            _exit(Failure.runtime)
        }
        let display = ProgressDisplay(of: sending, name: file, began: began)
        let outcome = Result { () throws(SendingError) in try sending.run() }
        display.end()
        try report(sending.progress, outcome, in: .now - began)
    }

    private var settings: Sending.Settings {
        var settings = Sending.Settings(path: file, url: url)
        settings.access = .ofTheUser
        settings.connections = connections
        settings.linesPerRequest = batch
        return settings
    }

    private func report(
        _ progress: Sending.Progress, _ outcome: Result<Sending.Progress, SendingError>, in duration: Duration
    ) throws {
        for rejection in progress.rejections {
            StandardError.write("\(file):\(rejection.line): \(rejection.message)\n")
        }
        for warning in progress.warnings { StandardError.write("\(file): warning: \(warning)\n") }
        if progress.leavesUnfinishedLine {
            StandardError.write("\(file): the last line is not whole and was not sent; send it again when it is\n")
        }
        print(summary(of: progress, in: duration))
        if case .failure(let error) = outcome { throw Failure(error.description) }
        guard progress.rejected == 0 else {
            throw Failure(
                "\(progress.rejected) records were rejected and not counted; "
                    + "correct them, and send them in a file of their own")
        }
        guard (try? outcome.get().isComplete) == true else {
            throw Failure("interrupted; the same command continues from there")
        }
    }

    private func summary(of progress: Sending.Progress, in duration: Duration) -> String {
        let seconds = max(0.001, Double(duration.wholeMicroseconds) / 1_000_000)
        let rate = Int(Double(progress.records) / seconds)
        return "\(file): \(progress.accepted) accepted, \(progress.duplicates) duplicates, "
            + "\(progress.rejected) rejected, in \((seconds * 10).rounded() / 10) s (\(rate) records a second)"
            + (progress.skippedLines > 0 ? "; \(progress.skippedLines) lines were sent before (\(file).sent)" : "")
    }
}
