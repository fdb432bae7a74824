internal import Dispatch
private import FoundationEssentials
private import Glibc

/// Posts the records of a file, or of standard input, to an exporter: in batches, over several connections, each record
/// counted once whatever is sent again.
///
/// Records without an id get one from a key and their place in the file. The key is kept beside the file (`FILE.sent`), with
/// how far it was sent: a later run goes on there. What comes from standard input, or a pipe, is sent by one run.
package final class Sending: @unchecked Sendable {
    // Unchecked: `state` and `lines` are used on `queue` alone.
    private let queue = DispatchQueue(label: "llm-exporter.sending")
    private var state: State
    private let lines: LineFile
    private let settings: Settings

    package struct Settings: Sendable {
        /// The file, or `-`.
        package let path: String
        package let url: String
        package var access = HTTPAccess.none
        package var connections = 4
        package var linesPerRequest = 1000
        /// After this time without an answer that helps, it is given up.
        package var patience: Duration = .seconds(60)

        package init(path: String, url: String) {
            self.path = path
            self.url = url
        }

        var markPath: String { path + SentMark.suffix }
    }

    /// How far it is.
    package struct Progress: Sendable {
        package fileprivate(set) var records = 0
        package fileprivate(set) var accepted = 0
        package fileprivate(set) var duplicates = 0
        package fileprivate(set) var rejected = 0
        /// What was sent, and what there was when it began, in bytes; no total of what is no file.
        package fileprivate(set) var bytes = 0
        package fileprivate(set) var totalBytes: Int?
        /// Lines that an earlier run sent.
        package fileprivate(set) var skippedLines = 0
        /// The first lines that were rejected, and why.
        package fileprivate(set) var rejections: [(line: Int, message: String)] = []
        /// What the exporter warned of, each once.
        package fileprivate(set) var warnings: [String] = []
        /// Why nothing is taken at the moment.
        package fileprivate(set) var obstacle: String?
        /// Whether the last line was left, as it is not whole: somebody may still be writing it.
        package fileprivate(set) var leavesUnfinishedLine = false
        /// Whether all of it was sent.
        package fileprivate(set) var isComplete = false
    }

    /// Rejections, and warnings, that are told one by one.
    fileprivate static let toldLimit = 10

    fileprivate struct State {
        var sent: SentMark
        /// Whether `sent` is kept.
        var isMarked = false
        var progress = Progress()
        var isStopped = false
        var failure: SendingError?
        var lastSuccess = ContinuousClock.now
        var hasAnswered = false
        /// Up to where all is acknowledged, and what is beyond, by place.
        var upcoming = 0
        var acknowledged: [Int: Mark] = [:]
    }

    /// Opens the file, and passes over what an earlier run sent.
    ///
    /// - Throws: where the file cannot be read, does not begin with what was sent of it, or was sent elsewhere: nobody could tell
    ///   then which of its records are new.
    package init(_ settings: Settings) throws(SendingError) {
        self.settings = settings
        let isInput = settings.path == "-"
        lines = try isInput ? LineFile(descriptor: STDIN_FILENO, name: "standard input") : LineFile(settings.path)
        state = State(
            sent: SentMark(
                key: UUID().uuidString, url: settings.url, batch: settings.linesPerRequest,
                inode: lines.size?.inode ?? 0, mark: lines.mark))
        guard !isInput, let size = lines.size else { return }
        try lines.lock()
        state.isMarked = true
        state.progress.totalBytes = size.bytes
        var sent = try SentMark.read(settings.markPath)
        if sent == nil { sent = try Self.markOfRenamed(settings.path, size.inode) }
        // Begun, and nothing acknowledged: another address may be meant, and whatever arrived at this one is not asked for there.
        if let begun = sent, begun.mark.offset == 0, begun.url != settings.url { sent = nil }
        if let sent {
            try Self.check(sent, settings)
            guard try lines.skip(to: sent.mark), sent.mark.offset > 0 || sent.inode == size.inode else {
                throw .unreadable(
                    "\(settings.path): does not begin with the \(sent.mark.lines) lines that were sent, as \(settings.markPath) tells: "
                        + (sent.inode == size.inode ? "" : "was it renamed, send it by its new name first; else ")
                        + "put what is new or corrected into a file of its own, or remove \(settings.markPath) to send all of it as new"
                )
            }
            state.sent = sent
            state.progress.skippedLines = sent.mark.lines
            state.progress.bytes = sent.mark.offset
        } else {
            // Before anything is sent, so that its key is known whatever happens.
            try state.sent.write(settings.markPath)
        }
    }

    private static func markOfRenamed(_ path: String, _ inode: UInt64) throws(SendingError) -> SentMark? {
        try SentMark.ofRenamedFile(path, inode: inode) { mark throws(SendingError) in
            try LineFile(path).skip(to: mark)
        }
    }

    private static func check(_ sent: SentMark, _ settings: Settings) throws(SendingError) {
        guard sent.url == settings.url else {
            throw .unreadable(
                "\(settings.path): was sent to \(sent.url), as \(settings.markPath) tells; to send all of it to \(settings.url), too, remove \(settings.markPath)"
            )
        }
    }

    package var progress: Progress { queue.sync { state.progress } }

    /// Begins no further request. Those under way are waited for.
    package func stop() {
        queue.sync { state.isStopped = true }
    }

    /// Sends all of it. Returns when every record was answered, or `stop` was called.
    ///
    /// - Throws: where it is given up. Run again, it goes on where it was.
    package func run() throws(SendingError) -> Progress {
        queue.sync { state.lastSuccess = .now }
        DispatchQueue.concurrentPerform(iterations: max(1, settings.connections)) { _ in
            do throws(SendingError) {
                try sendBatches()
            } catch {
                queue.sync { state.failure = state.failure ?? error }
            }
        }
        return try queue.sync { () -> Result<Progress, SendingError> in
            state.progress.leavesUnfinishedLine = lines.leavesUnfinishedLine
            if let failure = state.failure { return .failure(failure) }
            state.progress.isComplete = !state.isStopped
            return .success(state.progress)
        }.get()
    }

    private func sendBatches() throws(SendingError) {
        var client: HTTPClient
        do throws(HTTPClientError) {
            client = try HTTPClient(baseURL: settings.url, access: settings.access)
        } catch {
            throw .unreachable(error.description)
        }
        while let batch = try next() {
            guard try send(batch.lines, over: &client) else { return }
            try acknowledge(batch)
        }
    }

    private func next() throws(SendingError) -> Batch? {
        try queue.sync { () -> Result<Batch?, SendingError> in
            guard !state.isStopped, state.failure == nil else { return .success(nil) }
            do throws(SendingError) {
                return .success(try lines.next(lines: state.sent.batch))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    private func acknowledge(_ batch: Batch) throws(SendingError) {
        try queue.sync { () -> Result<Void, SendingError> in
            state.acknowledged[batch.place] = batch.end
            while let mark = state.acknowledged.removeValue(forKey: state.upcoming) {
                state.sent.mark = mark
                state.upcoming += 1
            }
            state.progress.bytes = state.sent.mark.offset
            guard state.isMarked else { return .success(()) }
            do throws(SendingError) {
                return .success(try state.sent.write(settings.markPath))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    // MARK: Requests

    /// - Returns: whether all lines were answered; false where it was stopped.
    private func send(_ lines: [Batch.Line], over client: inout HTTPClient) throws(SendingError) -> Bool {
        var attempt = 0
        while true {
            switch try attemptOnce(lines, &client) {
            case .answered: return true
            case .tooLarge where lines.count > 1:
                // Nothing of it was applied, and each half is as large whenever it is sent.
                let half = lines.count / 2
                guard try send(Array(lines[..<half]), over: &client) else { return false }
                return try send(Array(lines[half...]), over: &client)
            case .tooLarge(let reason):
                queue.sync { state.progress.reject(lines[0].number, reason) }
                return true
            case .failed(let obstacle, let asked):
                attempt += 1
                guard try wait(max(asked, Self.backOff(attempt)), because: obstacle) else { return false }
            }
        }
    }

    private enum Attempt {
        case answered
        case tooLarge(String)
        /// - Parameter asked: how long the answer asks to wait.
        case failed(String, asked: Duration)
    }

    private func attemptOnce(_ lines: [Batch.Line], _ client: inout HTTPClient) throws(SendingError) -> Attempt {
        let key = queue.sync { "\(state.sent.key)-\(lines[0].number)" }
        let answer: HTTPAnswer
        do throws(HTTPClientError) {
            answer = try client.send(
                "POST", "/record", headers: [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)],
                body: lines.flatMap(\.text))
        } catch {
            return .failed(error.description, asked: .zero)
        }
        queue.sync { state.hasAnswered = true }
        let problem = try? JSONDecoder().decode(ProblemDetail.self, from: Data(answer.body))
        let shown =
            "\(client.shownURL)/record answers \(answer.status): \(problem?.detail ?? "is this the exporter's address?")"
        switch answer.status {
        case 200, 422:
            guard let reply = RecordReply(answer.body, status: answer.status, records: lines.count) else {
                throw .refused("\(client.shownURL)/record does not answer as an exporter does; is this its address?")
            }
            queue.sync { state.take(reply, to: lines) }
            return .answered
        case 413: return .tooLarge(problem?.detail ?? "it is too large")
        case 408, 429, 500, 502, 503, 504, 507:
            return .failed(shown, asked: min(answer.retryAfter ?? .zero, Self.longestWait))
        default: throw .refused(shown)
        }
    }

    // MARK: Waiting

    private static let longestWait: Duration = .seconds(10)

    /// Twice as long each time, and never for all connections at once.
    private static func backOff(_ attempt: Int) -> Duration {
        let longest = min(5000, 50 << min(attempt, 10))
        return .milliseconds(Int.random(in: longest / 2...longest))
    }

    /// - Returns: whether to try again; false where it was stopped.
    private func wait(_ duration: Duration, because obstacle: String) throws(SendingError) -> Bool {
        let (hasAnswered, waited) = queue.sync {
            state.progress.obstacle = obstacle
            return (state.hasAnswered, .now - state.lastSuccess)
        }
        // One that never answered is rather not there than away for a while.
        guard hasAnswered, waited < settings.patience else {
            throw .unreachable(
                hasAnswered
                    ? "\(obstacle) (for \(waited.components.seconds) s; the same command goes on there)" : obstacle)
        }
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end {
            if queue.sync(execute: { state.isStopped || state.failure != nil }) { return false }
            usleep(20_000)
        }
        return true
    }
}

extension Sending.Progress {
    fileprivate mutating func reject(_ line: Int, _ message: String) {
        records += 1
        rejected += 1
        if rejections.count < Sending.toldLimit { rejections.append((line, message)) }
    }
}

extension Sending.State {
    fileprivate mutating func take(_ reply: RecordReply, to lines: [Batch.Line]) {
        lastSuccess = .now
        progress.obstacle = nil
        progress.records += lines.count
        progress.accepted += reply.accepted
        progress.duplicates += reply.duplicates
        progress.rejected += lines.count - reply.accepted - reply.duplicates
        for rejection in reply.rejections where progress.rejections.count < Sending.toldLimit {
            guard let index = rejection.index, lines.indices.contains(index) else { continue }
            // The exporter counts the lines of the request.
            let message = rejection.message.replacing(" (line \(index + 1))", with: "")
            progress.rejections.append((lines[index].number, message))
        }
        for warning in reply.warnings
        where progress.warnings.count < Sending.toldLimit && !progress.warnings.contains(warning) {
            progress.warnings.append(warning)
        }
    }
}
