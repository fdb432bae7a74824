import Foundation
import Testing

@testable import LLMExporterClient

@Suite("Against servers that misbehave") struct SenderTests {
    @Test("one agent to a batch, all on one connection")
    func batches() async throws {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(200))
        for n in 0..<10 {
            monitor.record(.of(agentName: "A", id: "\(n)"))
            monitor.record(.of(agentName: "Réviseur", id: "\(n)"))
        }
        #expect(await monitor.flush())
        #expect(server.requests.map { $0.head.headers["X-Agent-Name"] } == [["A"], ["R%C3%A9viseur"]])
        #expect(server.requests.allSatisfy { $0.head.headers["Content-Type"] == ["application/x-ndjson"] })
        #expect(server.requests.map(\.lines.count) == [10, 10])
        #expect(server.connections == 1)
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (20, 20) })
        await monitor.close()
    }

    @Test("records leave without being asked")
    func lingers() async throws {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url)
        monitor.record(.of())
        try await eventually("it was sent") { server.requests.count == 1 }
        await monitor.close()
    }

    @Test("the same bytes are sent again", arguments: [500, 502, 503, 429, 408, 401, 403, 404, 405, 301])
    func retries(status: Int) async throws {
        let server = try await ScriptedServer(.answer(status), .answer(status))
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log)
        monitor.record(.of())
        #expect(await monitor.flush(within: .seconds(10)))
        #expect(server.requests.count == 3 && Set(server.requests.map(\.body)).count == 1)
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent, $0.retried) = (1, 1, 2) })
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("\(status)") == true)
        await monitor.close()
    }

    @Test("an unknown outcome is sent again with the same ids, and what was counted is a duplicate")
    func unknownOutcome() async throws {
        let counted = ScriptedServer.Reply.answer(200, body: #"{"accepted":0,"duplicates":1,"rejected":0}"#)
        let server = try await ScriptedServer(.close, .hang, counted)
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log) { $0.timeout = .seconds(1) }
        monitor.record(.of())
        #expect(await monitor.flush(within: .seconds(10)))
        #expect(server.requests.count == 3 && Set(server.requests.map(\.body)).count == 1)
        #expect(monitor.statistics == .of { ($0.recorded, $0.duplicates, $0.retried) = (1, 1, 2) })
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("cannot reach") == true)
        await monitor.close()
    }

    @Test("a kept connection that died is no failure")
    func keptConnection() async throws {
        let server = try await ScriptedServer(.accept, .close)
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log)
        for _ in 0..<2 {
            monitor.record(.of())
            #expect(await monitor.flush())
        }
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (2, 2) } && log.warnings == [])
        await monitor.close()
    }

    @Test("Retry-After is waited for, even by a flush")
    func retryAfter() async throws {
        let server = try await ScriptedServer(.answer(503, headers: ["Retry-After": "1"]))
        let monitor = LLMMonitor.test(server.url)
        monitor.record(.of())
        #expect(await monitor.flush(within: .milliseconds(300)) == false)
        #expect(await monitor.flush(within: .seconds(5)))
        let times = server.requests.map(\.at)
        #expect(times.count == 2 && times[1] - times[0] > .milliseconds(900) && times[1] - times[0] < .seconds(3))
        await monitor.close()
    }

    @Test("what can never succeed is given up, counted and warned of once", arguments: [400, 413, 415, 422])
    func hopeless(status: Int) async throws {
        let error = #"{"field":"latency_ms","code":"out_of_range","message":"at most 864e5"}"#
        let reply = ScriptedServer.Reply.answer(status, body: #"{"detail":"no","errors":[\#(error)]}"#)
        let server = try await ScriptedServer(reply, reply)
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log)
        for _ in 0..<3 {
            monitor.record(.of())
            #expect(await monitor.flush())
        }
        #expect(monitor.statistics == .of { ($0.recorded, $0.rejected, $0.sent) = (3, 2, 1) })
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("latency_ms, code out_of_range") == true)
        await monitor.close()
    }

    @Test("of a batch that is taken in part, the rest is counted as rejected")
    func partly() async throws {
        let server = try await ScriptedServer(
            .answer(200, body: #"{"accepted":1,"duplicates":1,"rejected":1,"errors":[{"code":"id_reused"}]}"#))
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(100))
        for _ in 0..<3 { monitor.record(.of()) }
        #expect(await monitor.flush())
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent, $0.duplicates, $0.rejected) = (3, 1, 1, 1) })
        await monitor.close()
    }

    @Test("413 splits the batch until it fits")
    func splits() async throws {
        let server = try await ScriptedServer(.answer(413), .answer(413))
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(100))
        for n in 0..<8 { monitor.record(.of(id: "\(n)")) }
        #expect(await monitor.flush())
        #expect(server.requests.map(\.lines.count) == [8, 4, 2, 2, 4])
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (8, 8) })
        await monitor.close()
    }

    @Test("what is no exporter takes no records", arguments: ["", "{}", "<html>", #"{"accepted":"1"}"#])
    func stranger(body: String) async throws {
        let server = try await ScriptedServer(.answer(200, body: body))
        let monitor = LLMMonitor.test(server.url)
        monitor.record(.of())
        #expect(await monitor.flush())
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent, $0.retried) = (1, 1, 1) })
        await monitor.close()
    }

    enum Trouble: CaseIterable { case absent, hung }

    @Test("an absent or hung exporter delays nobody, and memory stays bounded", arguments: Trouble.allCases)
    func bounded(trouble: Trouble) async throws {
        let server = try await ScriptedServer(rest: .hang)
        let log = LogBook()
        let monitor = LLMMonitor.test(trouble == .hung ? server.url : try await closedURL(), log: log) {
            $0.maxQueueRecords = 1000
        }
        let clock = ContinuousClock()
        let recording = clock.measure {
            for _ in 0..<20_000 { monitor.record(.of { $0.inputTokens = 1 }) }
        }
        #expect(recording < .seconds(2))
        let calling = await clock.measure {
            await monitor.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { $0.addUsage(input: 1) }
        }
        #expect(calling < .milliseconds(500))
        let statistics = monitor.statistics
        #expect(statistics.queued == 1000 && statistics.dropped == 19_002 && statistics.isAccountedFor)
        #expect(log.warnings.filter { $0.contains("queue is full") }.count == 1)

        var isDrained = true
        let flushing = await clock.measure { isDrained = await monitor.flush(within: .milliseconds(300)) }
        #expect(!isDrained && flushing < .seconds(2))
        let closing = await clock.measure { isDrained = await monitor.close(within: .milliseconds(300)) }
        #expect(!isDrained && closing < .seconds(2))
        #expect(monitor.statistics.queued == 0 && monitor.statistics.dropped == 20_002)
        #expect(log.warnings.last?.contains("1000 records could not be delivered") == true)
    }

    @Test("memory is bounded in bytes too")
    func boundedBytes() async throws {
        // Nothing is encoded meanwhile: the lines are shorter than what is waiting.
        let monitor = LLMMonitor.test(try await closedURL(), linger: .seconds(60)) { $0.maxQueueBytes = 100_000 }
        for _ in 0..<100 { monitor.record(.of { $0.errorType = String(repeating: "x", count: 9_000) }) }
        #expect(monitor.statistics.queued < 10 && monitor.statistics.dropped > 90)
        await monitor.close(within: .zero)
    }

    @Test("limits may be anything", arguments: [Duration.zero, .nanoseconds(1), .seconds(-1), .seconds(Int64.max / 2)])
    func anyLimit(limit: Duration) async throws {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url, linger: limit == .zero ? .seconds(Int64.max / 2) : limit) {
            $0.timeout = .seconds(Int64.max / 2)
        }
        for _ in 0..<50 {
            monitor.record(.of())
            _ = await monitor.flush(within: limit)
        }
        _ = await monitor.getSummary(within: limit)
        #expect(await monitor.flush(within: .seconds(20)))
        await monitor.close(within: limit)
    }

    @Test("a cancelled task does not wait in a flush")
    func cancelledFlush() async throws {
        let server = try await ScriptedServer(rest: .hang)
        let monitor = LLMMonitor.test(server.url)
        monitor.record(.of())
        let task = Task { await monitor.flush(within: .seconds(30)) }
        task.cancel()
        #expect(await task.value == false)
        await monitor.close(within: .zero)
    }

    @Test("after close records are dropped and counted, and closing again is harmless")
    func closed() async throws {
        let server = try await ScriptedServer()
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log)
        monitor.record(.of())
        #expect(await monitor.close())
        for _ in 0..<2 { monitor.record(.of()) }
        #expect(await monitor.close())
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent, $0.dropped) = (3, 1, 2) })
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("close()") == true)
    }

    @Test("while a monitor closes under load, every record is accounted for")
    func closesUnderLoad() async throws {
        let server = try await ScriptedServer()
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(1))
        await withTaskGroup { group in
            for task in 0..<4 {
                group.addTask { for _ in 0..<2000 { monitor.record(.of(agentName: "\(task)")) } }
            }
            try? await Task.sleep(for: .milliseconds(10))
            await monitor.close(within: .milliseconds(5))
        }
        let statistics = monitor.statistics
        #expect(statistics.recorded == 8000 && statistics.queued == 0 && statistics.isAccountedFor)
        let sent = server.requests.reduce(0) { $0 + $1.lines.count }
        #expect(statistics.sent <= sent && sent <= 8000)
    }

    @Test("a monitor that is let go ends its task, and tells what is lost")
    func letGo() async throws {
        let log = LogBook()
        var monitor: LLMMonitor? = LLMMonitor.test(try await closedURL(), log: log, linger: .seconds(60))
        monitor?.record(.of())
        monitor = nil
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("1 records could not be delivered") == true)
    }

    @Test("what waited too long expires")
    func expires() async throws {
        let server = try await ScriptedServer(.answer(503), .answer(503))
        let monitor = LLMMonitor.test(server.url, expiry: .milliseconds(1))
        monitor.record(.of())
        try await eventually("it expired") {
            _ = await monitor.flush(within: .milliseconds(50))
            return monitor.statistics.expired == 1
        }
        #expect(monitor.statistics.isAccountedFor && monitor.statistics.queued == 0)
        await monitor.close()
    }

    @Test(
        "authentication: bearer wins over basic, which may stand in the URL",
        arguments: [
            ("", ["TOKEN": "s3"], "Bearer s3"), ("", ["USERNAME": "u", "PASSWORD": "p:q"], "Basic dTpwOnE="),
            ("u:p%3Aq@", [:], "Basic dTpwOnE="), ("u:p@", ["TOKEN": "s3"], "Bearer s3"), ("", [:], nil),
        ])
    func authentication(user: String, variables: [String: String], header: String?) async throws {
        let server = try await ScriptedServer()
        var environment = ["LLM_EXPORTER_URL": server.url.replacing("//", with: "//\(user)")]
        for (name, value) in variables { environment["LLM_EXPORTER_\(name)"] = value }
        var configuration = LLMMonitor.Configuration()
        configuration.linger = .milliseconds(10)
        let monitor = LLMMonitor(configuration: configuration, environment: environment)
        monitor.record(.of())
        #expect(await monitor.flush())
        #expect(server.requests.first?.head.headers["Authorization"].first == header)
        await monitor.close()
    }

    @Test("TLS, with a CA file and only with it", .enabled(if: Certificate.canBeMade, "openssl makes the certificate"))
    func tls() async throws {
        let certificate = try await Certificate()
        let server = try await ScriptedServer(certificate: certificate.file)
        let trusting = LLMMonitor.test(server.url, environment: ["LLM_EXPORTER_CA_FILE": certificate.file])
        trusting.record(.of())
        #expect(await trusting.flush())
        #expect(trusting.statistics.sent == 1)
        await trusting.close()

        for file in [nil, "/nonexistent"] {
            let log = LogBook()
            let wary = LLMMonitor.test(server.url, log: log) { $0.caFile = file }
            wary.record(.of())
            try await eventually("it is warned of") { log.warnings.contains { $0.contains("cannot reach") } }
            #expect(wary.statistics.queued == 1)
            await wary.close(within: .zero)
        }
        #expect(server.requests.count == 1)
    }

    @Test(
        "a wrong URL is warned of, never thrown, and its password never logged",
        arguments: ["", "nonsense", "ftp://u:secret@host", "http://", "http://u:secret@127.0.0.1:1", "::"])
    func wrongURL(url: String) async throws {
        let log = LogBook()
        let monitor = LLMMonitor.test(url, log: log)
        monitor.record(.of())
        try await eventually("it is warned of") { log.warnings.contains { $0.contains("cannot reach") } }
        #expect(await monitor.flush(within: .milliseconds(10)) == false)
        #expect(await monitor.getSummary() == nil)
        #expect(await monitor.getPrometheusMetrics() == nil)
        #expect(await monitor.resetPrometheus() == false)
        await monitor.close(within: .zero)
        #expect(!log.warnings.contains { $0.contains("secret") })
    }

    @Test("a token that no header can carry is not logged")
    func unsendableToken() async throws {
        let server = try await ScriptedServer()
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log) { $0.token = "secret\r\nX-Other: 1" }
        monitor.record(.of())
        try await eventually("it is warned of") { log.warnings.contains { $0.contains("cannot reach") } }
        #expect(await monitor.flush(within: .milliseconds(10)) == false)
        await monitor.close(within: .zero)
        #expect(server.requests.isEmpty)
        #expect(!log.warnings.contains { $0.contains("secret") })
    }

    @Test("the address is the URL without credentials and closing slashes")
    func address() {
        let transport = Transport(url: "HTTPS://u:p@[::1]:10140/base//", configuration: LLMMonitor.Configuration())
        #expect(transport.address == "https://[::1]:10140/base")
    }
}

/// A certificate and its key in one file, signed by itself, for 127.0.0.1.
private struct Certificate: ~Copyable {
    static var canBeMade: Bool {
        let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
        return folders.contains { FileManager.default.isExecutableFile(atPath: "\($0)/openssl") }
    }

    let file: String

    init() async throws {
        file = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-client-\(UUID()).pem").path
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1", "-keyout", file, "-out", file + ".crt",
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        try await eventually("openssl ends") { !process.isRunning }
        defer { try? FileManager.default.removeItem(atPath: file + ".crt") }
        try #require(process.terminationStatus == 0)
        let text = try [file, file + ".crt"].map { try String(contentsOfFile: $0, encoding: .utf8) }.joined()
        try text.write(toFile: file, atomically: false, encoding: .utf8)
    }

    deinit { try? FileManager.default.removeItem(atPath: file) }
}
