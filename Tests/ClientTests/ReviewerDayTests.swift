import Concurrency
import FoundationEssentials
import Logging
import LoopbackServer
import Testing

@testable import Client

@Suite("The day over HTTP") struct ReviewerDayTests {
    /// Keeps what is logged.
    struct Recorder: LogHandler {
        final class Lines: Sendable {
            let texts = Locked<[String]>([])
        }

        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel: Logger.Level = .info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let call = metadata["call"].map { "\($0)" } ?? ""
            lines.texts.withLock { $0.append("\(event.level) \(call) \(event.message)") }
        }
    }

    static let accepted = #"{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}"#

    /// An exporter that holds nothing, whatever it accepts.
    static let empty = """
        {"total_calls":0,"success_calls":0,"error_calls":0,"total_tokens":0,"total_cost_usd":0,"agents":{},"models":{}}
        """

    static func forgetful(record: String = accepted, status: Int = 200) throws -> LoopbackServer {
        try LoopbackServer { request in
            switch request.path {
            case "/record": .answer(status: status, body: Array(record.utf8))
            case "/summary": .answer(status: 200, body: Array(empty.utf8))
            case "/metrics": .answer(status: 200, body: Array("# nothing\n".utf8))
            default: .answer(status: 404, body: [])
            }
        }
    }

    static func run(_ server: LoopbackServer, _ lines: Recorder.Lines = .init()) throws(SimulationError) -> DayReport {
        try ReviewerDay(url: server.url, log: Logger(label: "simulate") { _ in Recorder(lines: lines) }).run()
    }

    @Test("four calls start and end with one id each, go through eight logged phases, and share a connection")
    func playsTheDay() throws {
        let server = try Self.forgetful()
        let lines = Recorder.Lines()
        let report = try Self.run(server, lines)

        #expect(
            server.requests.map { "\($0.method) \($0.path)" }
                == ["GET /summary", "GET /metrics"] + Array(repeating: "POST /record", count: 8)
                + ["GET /summary", "GET /metrics"])
        #expect(server.connectionCount == 1)

        let posts = server.requests.filter { $0.method == "POST" }
        #expect(posts.allSatisfy { $0.headers.contains("X-Agent-Name: ReviewerGPT") })
        #expect(posts.allSatisfy { $0.headers.contains("Content-Type: application/json") })
        let sent = try report.calls.flatMap {
            [try SentRecord(event: "start", agentName: "ReviewerGPT", id: $0.id).json(), try $0.record.json()]
        }
        #expect(posts.map(\.body) == sent)
        #expect(Set(report.calls.map(\.id)).count == 4)
        #expect(report.calls.allSatisfy { (135_000...5_000_000).contains($0.apiLatencyMicroseconds) })
        #expect(report.calls.allSatisfy { $0.latencyMicroseconds >= $0.apiLatencyMicroseconds })

        let expected = (1...4).flatMap { call in Phase.allCases.map { "info \(call)/4 \($0.rawValue)" } }
        #expect(lines.texts.withLock { $0 } == expected)
    }

    @Test("an exporter that accepts and forgets is found out")
    func forgets() throws {
        let report = try Self.run(Self.forgetful())
        #expect(
            report.differences.map(\.description).contains(
                "GET /summary, growth of agent ReviewerGPT: cost in USD: sent 0.0002766, read back 0"))
        #expect(report.differences.contains { $0.place == "GET /metrics, growth of llm_calls_total" })
        #expect(report.description.contains("What was read back differs from what was sent:"))
    }

    @Test(
        "a refused record ends the day with the exporter's reason",
        arguments: [
            (422, #"{"title":"Refused","detail":"latency_ms: out of range"}"#, "latency_ms: out of range"),
            (503, #"{"title":"Busy"}"#, "Busy"), (500, "", "without a reason"),
        ])
    func refused(status: Int, body: String, detail: String) throws {
        let server = try Self.forgetful(record: body, status: status)
        #expect(
            throws: SimulationError.refused(
                request: "POST \(server.url)/record", status: status, detail: detail)
        ) { try Self.run(server) }
    }

    @Test(
        "a 200 that did not accept the record, or does not say so, ends the day",
        arguments: [#"{"accepted":0,"duplicates":1,"rejected":0,"errors":[]}"#, "{}", ""])
    func notAccepted(reply: String) throws {
        #expect(throws: SimulationError.self) { try Self.run(Self.forgetful(record: reply)) }
    }

    @Test("without an exporter, the error names the URL and how to start one")
    func noExporter() throws {
        let url = "http://127.0.0.1:\(try LoopbackServer.closedPort())"
        let error = try #require(throws: SimulationError.self) {
            try ReviewerDay(url: url, log: Logger(label: "simulate")).run()
        }
        #expect(error.description.hasPrefix(url + "/summary: "))
        #expect(error.description.hasSuffix("start it with `llm-exporter`"))
    }

    @Test("two runs never use the same id")
    func idsDiffer() throws {
        let first = try Self.run(Self.forgetful()).calls.map(\.id)
        let second = try Self.run(Self.forgetful()).calls.map(\.id)
        #expect(Set(first + second).count == 8)
    }
}
