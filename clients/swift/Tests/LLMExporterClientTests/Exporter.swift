import Foundation
import NIOConcurrencyHelpers
import Testing

/// The real exporter, `LLM_EXPORTER_BIN`, on a port of 127.0.0.1 that it keeps over restarts.
final class Exporter: Sendable {
    /// Whether there is one to talk to. In CI its absence fails the tests rather than skipping them.
    static var isGiven: Bool {
        let environment = ProcessInfo.processInfo.environment
        return environment["LLM_EXPORTER_BIN"]?.isEmpty == false || environment["CI"] == "true"
    }

    private struct State {
        var process: Process?
        var port = 0
        var starts = 0
    }

    private let folder: URL
    private let flags: [String]
    private let state = NIOLockedValueBox(State())

    /// Starts it with its state in a folder, or in memory.
    init(isDurable: Bool = false, flags: String...) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-client-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let storage = folder.appending(path: "storage").path
        self.flags = flags + (isDurable ? ["--storage.path", storage] : ["--storage.memory"])
        try await start()
    }

    deinit {
        if let process = state.withLockedValue({ $0.process }) { sendKill(process.processIdentifier) }
        try? FileManager.default.removeItem(at: folder)
    }

    var url: String { "http://127.0.0.1:\(state.withLockedValue { $0.port })" }

    /// Starts it, and waits until it listens.
    func start() async throws {
        let program = try #require(ProcessInfo.processInfo.environment["LLM_EXPORTER_BIN"], "LLM_EXPORTER_BIN")
        let (port, starts) = state.withLockedValue { state in
            state.starts += 1
            return (state.port, state.starts)
        }
        let log = folder.appending(path: "log-\(starts)")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let process = Process()
        process.executableURL = URL(filePath: program)
        process.arguments = ["--web.listen-address", "127.0.0.1:\(port)", "--prices.no-builtin"] + flags
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
        state.withLockedValue { $0.process = process }
        try await eventually("the exporter listens") {
            let text = try String(contentsOf: log, encoding: .utf8)
            try #require(process.isRunning, "\(text)")
            guard let match = try /Listening on"? address=\S+:(\d+)/.firstMatch(in: text) else { return false }
            let bound = Int(match.1) ?? 0
            state.withLockedValue { $0.port = bound }
            return true
        }
    }

    /// SIGKILL, and waits for the end.
    func kill() async throws {
        let process = state.withLockedValue { state in
            defer { state.process = nil }
            return state.process
        }
        guard let process else { return }
        sendKill(process.processIdentifier)
        try await eventually("the exporter ends") { !process.isRunning }
    }
}

/// Out of the classes, whose own `kill` hides the system's.
func sendKill(_ process: Int32) { _ = kill(process, SIGKILL) }

/// Asks again and again until the answer is true.
func eventually(
    _ what: Comment, within limit: Duration = .seconds(10), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        try #require(.now < deadline, what)
        try await Task.sleep(for: .milliseconds(10))
    }
}
