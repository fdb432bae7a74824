import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import LLMExporterClient

@Suite("With a spool") struct SpoolingTests {
    private let folder = TemporaryFolder()

    @Test("a record is on disk before it is sent, and what comes meanwhile does not wait in memory")
    func onDisk() async throws {
        let server = try await ScriptedServer(rest: .hang)
        let monitor = LLMMonitor.test(server.url) { $0.spoolFolder = folder.spool }
        monitor.record(.of())
        try await eventually("it is sent") { server.requests.count == 1 }
        #expect(try folder.contents().hasSuffix(server.requests[0].body))
        for _ in 0..<20 { monitor.record(.of()) }
        try await eventually("all is on disk") { try folder.records() == 21 }
        await monitor.close(within: .zero)
        #expect(try folder.records() == 21)
    }

    @Test("an outage empties memory onto disk, bounded; where nothing is awaited, all that is left goes there")
    func outage() async throws {
        let log = LogBook()
        let monitor = LLMMonitor.test(try await closedURL(), log: log, linger: .milliseconds(1)) {
            ($0.spoolFolder, $0.maxQueueRecords, $0.maxSpoolBytes) = (folder.spool, 100, 60_000)
        }
        var recorded = 0
        while monitor.statistics.dropped == 0 {
            try #require(recorded < 10_000)
            for _ in 0..<50 { monitor.record(.of()) }
            recorded += 50
            try await eventually("they are on disk") { try folder.records() == monitor.statistics.queued }
        }
        #expect(recorded > 200 && log.warnings.contains { $0.contains("the spool is full") })
        #expect(log.warnings.contains { $0.contains("the spool keeps them") })
        await monitor.close(within: .zero)
        let statistics = monitor.statistics
        #expect(statistics.isAccountedFor && statistics.recorded == recorded)
        #expect(try folder.records() == statistics.queued)
        #expect(!log.warnings.contains { $0.contains("are lost") })
    }

    @Test("a monitor that is let go leaves all on disk, and the next delivers it; calls of the gone are not active")
    func heir() async throws {
        let server = try await ScriptedServer(.answer(503, headers: ["Retry-After": "60"]))
        var first: LLMMonitor? = .test(server.url) { $0.spoolFolder = folder.spool }
        await first?.withMonitoredCall(agentName: "A", provider: "openai", model: "gpt") { _ in }
        try await eventually("it was refused") { server.requests.count == 1 }
        first?.record(.of(agentName: "B"))
        first = nil
        try await eventually("all is on disk") { try folder.records() == 2 }
        let file = try #require(try folder.files().first)
        try await eventually("the file is let go of") {
            let orphan = SpoolSegment(adopting: file.path, damage: { _, _ in })
            orphan?.close()
            return orphan != nil
        }
        let next = LLMMonitor.test(server.url) { $0.spoolFolder = folder.spool }
        try await eventually("all is delivered") { next.statistics.sent == 2 }
        #expect(next.statistics == .of { ($0.adopted, $0.sent) = (2, 2) })
        let lines = server.requests.dropFirst().flatMap(\.lines)
        #expect(lines.count == 2 && !lines.contains { $0.contains("\"event\"") })
        #expect(await next.close())
        #expect(try folder.files() == [])
    }

    @Test("what a dead process left too long ago expires, by the clock on the wall")
    func expires() async throws {
        let server = try await ScriptedServer(.answer(503))
        let first = LLMMonitor.test(server.url) { $0.spoolFolder = folder.spool }
        first.record(.of())
        try await eventually("it was refused") { server.requests.count == 1 }
        await first.close(within: .zero)
        let file = try #require(try folder.files().first)
        let content = try String(contentsOf: file, encoding: .utf8)
        let time = try #require(content.firstMatch(of: /"time":(\d+)/)?.1)
        let old = String((Int(time) ?? 0) - 23 * 3600 - 1)
        try content.replacing("\"time\":\(time)", with: "\"time\":\(old)")
            .write(to: file, atomically: false, encoding: .utf8)
        let next = LLMMonitor.test(server.url) { $0.spoolFolder = folder.spool }
        try await eventually("it expired") { next.statistics.expired == 1 }
        #expect(next.statistics == .of { ($0.adopted, $0.expired) = (1, 1) } && server.requests.count == 1)
        await next.close()
    }

    @Test("413 splits a batch of the spool too")
    func splits() async throws {
        let server = try await ScriptedServer(.answer(413), .answer(413))
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(100)) { $0.spoolFolder = folder.spool }
        for n in 0..<8 { monitor.record(.of(id: "\(n)")) }
        #expect(await monitor.flush())
        #expect(server.requests.map(\.lines.count) == [8, 4, 2, 2, 4])
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (8, 8) })
        await monitor.close()
    }

    @Test("where the disk refuses, records stay in memory and are delivered")
    func refused() async throws {
        let server = try await ScriptedServer()
        let log = LogBook()
        let monitor = LLMMonitor.test(server.url, log: log) { $0.spoolFolder = "/dev/null/spool" }
        for _ in 0..<2 {
            monitor.record(.of())
            #expect(await monitor.flush())
        }
        #expect(monitor.statistics == .of { ($0.recorded, $0.sent) = (2, 2) })
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("/dev/null/spool") == true)
        await monitor.close()
    }

    @Test("a disk that hangs holds up nobody")
    func hungDisk() async throws {
        let server = try await ScriptedServer()
        var configuration = LLMMonitor.Configuration()
        configuration.spoolFolder = folder.spool
        let sender = Sender(
            transport: Transport(url: server.url, configuration: configuration), configuration: configuration,
            expiry: Sender.expiry, reports: Reports(logger: LogBook().logger))
        let (disk, spool) = (DispatchSemaphore(value: 0), try #require(sender.spool))
        let hanging = Task { await spool.perform { _ in disk.wait() } }
        let clock = ContinuousClock()
        let recording = clock.measure { for _ in 0..<1000 { sender.putEnd(.of()) } }
        let closing = await clock.measure { #expect(await sender.close(within: .milliseconds(100)) == false) }
        #expect(recording < .seconds(1) && closing < .seconds(20))
        #expect(sender.statistics.queued == 1000)
        disk.signal()
        await hanging.value
        try await eventually("all is on disk") { try folder.records() == 1000 }
    }

    @Test("while a monitor closes under load, every record is accounted for, and those that wait are on disk")
    func closesUnderLoad() async throws {
        let server = try await ScriptedServer(.accept, .answer(413), .accept, .answer(503))
        let monitor = LLMMonitor.test(server.url, linger: .milliseconds(1)) { $0.spoolFolder = folder.spool }
        await withTaskGroup { group in
            for task in 0..<4 {
                group.addTask { for _ in 0..<2000 { monitor.record(.of(agentName: "\(task)")) } }
            }
            try? await Task.sleep(for: .milliseconds(10))
            await monitor.close(within: .milliseconds(20))
        }
        let statistics = monitor.statistics
        #expect(statistics.recorded == 8000 && statistics.isAccountedFor)
        // Of those on disk some may have arrived, without the monitor having seen the answer.
        #expect(try folder.records() >= statistics.queued)
    }
}

@Suite("A spool and a real exporter", .enabled(if: Exporter.isGiven, "LLM_EXPORTER_BIN names no llm-exporter"))
struct CrashTests {
    @Test("agents that are killed, one in the midst of delivering another's records, leave each to be counted once")
    func killed() async throws {
        let folder = TemporaryFolder()
        let exporter = try await Exporter(isDurable: true)
        let first = try MortalAgent(exporter: exporter.url, spool: folder.spool)
        try await first.told("200")
        try await first.told("flush")
        #expect(try folder.contents() == "")
        try await exporter.kill()
        try await first.told("300")
        try await eventually("all is on disk") { try folder.records() == 300 }
        try await first.kill()

        try await exporter.start()
        let second = try MortalAgent(exporter: exporter.url, spool: folder.spool)
        let observer = LLMMonitor.test(exporter.url)
        try await eventually("it delivers") { await observer.getSummary()?.totalCalls ?? 0 > 200 }
        try await second.kill()

        let heir = LLMMonitor.test(exporter.url) { $0.spoolFolder = folder.spool }
        try await eventually("all is counted") { await observer.getSummary()?.totalCalls == 500 }
        try await eventually("the spool is drained") { try folder.contents() == "" }
        #expect(heir.statistics.isAccountedFor && heir.statistics.rejected == 0)
        #expect(await heir.close())
        #expect(await observer.getSummary()?.totalTokens == 500)
        #expect(try folder.files() == [])
        await observer.close()
    }
}

/// The agent beside these tests, which does what it is told.
private final class MortalAgent {
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()
    private let said = Said()

    private final class Said: Sendable {
        let text = NIOLockedValueBox("")
    }

    init(exporter: String, spool: String) throws {
        process.executableURL = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            .appending(path: "MortalAgent")
        process.environment = ["LLM_EXPORTER_URL": exporter, "LLM_EXPORTER_SPOOL_DIR": spool]
        (process.standardInput, process.standardOutput) = (input, output)
        output.fileHandleForReading.readabilityHandler = { [said] handle in
            let text = String(decoding: handle.availableData, as: UTF8.self)
            said.text.withLockedValue { $0 += text }
        }
        try process.run()
    }

    deinit {
        output.fileHandleForReading.readabilityHandler = nil
        try? input.fileHandleForWriting.close()
    }

    /// Tells it, and waits until it has done so.
    func told(_ line: String) async throws {
        try input.fileHandleForWriting.write(contentsOf: Data("\(line)\n".utf8))
        try await eventually("the agent obeys") { said.text.withLockedValue { $0.hasSuffix("\(line)\n") } }
    }

    /// SIGKILL, and waits for the end.
    func kill() async throws {
        sendKill(process.processIdentifier)
        try await eventually("the agent ends") { !process.isRunning }
    }
}
