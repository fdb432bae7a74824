import ArgumentParser
import Client
import Logging
import Service

/// `llm-exporter simulate`: the reviewer's day, over real HTTP.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Plays the day of a code-reviewing agent against an exporter, and checks that it was counted.",
        discussion: """
            Exit code 1 when what the exporter shows differs from what was sent. Its agent is ReviewerGPT: another \
            agent of that name that sends records meanwhile shows as a difference.
            """)

    @Option(
        help: ArgumentHelp(
            "The exporter to post to, such as http://127.0.0.1:10140; without it, one of its own, in memory.",
            valueName: "url"))
    var url: String?

    func validate() throws {
        if let url { try ExporterURL.check(url) }
    }

    func run() throws {
        let log = Logger(label: "simulate") { _ in LineLogHandler(format: .logfmt, level: .info) }
        guard let url else {
            try withOwnExporter { try play(against: $0, .none, log) }
            return
        }
        try play(against: url, .ofTheUser, log)
    }

    private func play(against url: String, _ access: HTTPAccess, _ log: Logger) throws {
        let report: DayReport
        do throws(SimulationError) {
            report = try ReviewerDay(url: url, access: access, log: log).run()
        } catch {
            throw Failure(error.description)
        }
        print(report)
        guard report.differences.isEmpty else {
            throw Failure("the exporter shows something else than was sent; the report lists each difference")
        }
    }

    private func withOwnExporter(_ body: (String) throws -> Void) throws {
        var settings = Settings(build: Version.build)
        settings.listenAddresses = [ListenAddress(host: "127.0.0.1", port: 0)]
        let configuration = try settings.configuration.load()
        let exporter: Exporter
        let addresses: [String]
        do throws(StartError) {
            exporter = try Exporter(
                settings: settings, configuration: configuration,
                log: Logger(label: "exporter") { _ in LineLogHandler(format: .logfmt, level: .warning) })
            addresses = try exporter.start()
        } catch {
            throw Failure(error.description)
        }
        defer { exporter.stop() }
        for address in addresses { try body("http://\(address)") }
    }
}
