private import Dispatch
private import FoundationEssentials
private import Glibc
private import HTTPClient

/// Posts the records of a file, or of standard input, to an exporter: in batches, over several connections, each record
/// counted once whatever is sent again.
///
/// Records without an id get one from their place in the file and a key that is kept beside the file, with how far it was
/// sent: a later run goes on there. What comes from standard input has no such place, and is sent by one run.
package final class Sending: @unchecked Sendable {
    // Unchecked: `state` and `lines` are used on `queue` alone.
    private let queue = DispatchQueue(label: "llm-exporter.sending")
    private var state: State
    private let lines: LineFile
    private let settings: Settings
    private let markPath: String?

    package struct Settings: Sendable {
        /// The file, or `-`.
        package let path: String
        package let url: String
        package var connections = 4
        package var linesPerRequest = 1000
        /// After this time without an answer that helps, it is given up.
        package var patience: Duration = .seconds(60)

        package init(path: String, url: String) {
            self.path = path
            self.url = url
        }
    }

    /// How far it is.
    package struct Progress: Sendable {
        package fileprivate(set) var records = 0
        package fileprivate(set) var accepted = 0
        package fileprivate(set) var duplicates = 0
        package fileprivate(set) var rejected = 0
        /// What was sent, and what there was when it began, in bytes; no total of standard input.
        package fileprivate(set) var bytes = 0
        package fileprivate(set) var totalBytes: Int?
        /// Lines that an earlier run sent.
        package fileprivate(set) var skippedLines = 0
        /// The first lines that were rejected, and why.
        package fileprivate(set) var rejections: [(line: Int, message: String)] = []
        /// Why nothing is taken at the moment.
        package fileprivate(set) var obstacle: String?
        /// Whether all of it was sent.
        package fileprivate(set) var isComplete = false
    }

    /// Rejections that are told one by one.
    private static let rejectionsLimit = 10

    private struct State {
        var key: String
        var progress = Progress()
        var isStopped = false
        var failure: SendingError?
        var lastSuccess = ContinuousClock.now
        var hasReachedIt = false
        /// Up to where all is acknowledged, and what is beyond, by place.
        var upcoming = 0
        var acknowledged: [Int: Mark] = [:]
        var mark: Mark?
    }

    /// Opens the file, and passes over what an earlier run sent.
    package init(_ settings: Settings) throws(SendingError) {
        self.settings = settings
        state = State(key: UUID().uuidString)
        guard settings.path != "-" else {
            markPath = nil
            lines = try LineFile(descriptor: STDIN_FILENO, name: "standard input", linesLimit: settings.linesPerRequest)
            return
        }
        let markPath = settings.path + ".sent"
        self.markPath = markPath
        var lines = try Self.open(settings)
        if let sent = try SentMark.read(markPath), let mark = sent.mark {
            if try lines.skip(to: mark) {
                state.key = sent.key
                state.progress.skippedLines = mark.lines
                state.progress.bytes = mark.offset
                state.mark = mark
            } else {
                // Another file of this name: what was sent is not part of it.
                lines = try Self.open(settings)
            }
        }
        self.lines = lines
        state.progress.totalBytes = lines.sizeBytes
        // Before anything is sent, so that its key is known whatever happens.
        if state.mark == nil { try SentMark(key: state.key, mark: lines.mark).write(markPath) }
    }

    private static func open(_ settings: Settings) throws(SendingError) -> LineFile {
        let descriptor = unsafe Glibc.open(settings.path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable("\(settings.path): \(SendingError.reason(errno))") }
        return try LineFile(descriptor: descriptor, name: settings.path, linesLimit: settings.linesPerRequest)
    }

    package var progress: Progress { queue.sync { state.progress } }

    /// Begins no further batch. What is under way is waited for.
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
            if let failure = state.failure { return .failure(failure) }
            state.progress.isComplete = !state.isStopped
            return .success(state.progress)
        }.get()
    }

    private func sendBatches() throws(SendingError) {
        var client: HTTPClient
        do throws(HTTPClientError) {
            client = try HTTPClient(baseURL: settings.url)
        } catch {
            throw .unreachable(error.description)
        }
        while let (batch, key) = try next() { try send(batch, key: "\(key)-\(batch.numbers[0])", over: &client) }
    }

    private func next() throws(SendingError) -> (LineFile.Batch, key: String)? {
        try queue.sync { () -> Result<(LineFile.Batch, key: String)?, SendingError> in
            guard !state.isStopped, state.failure == nil else { return .success(nil) }
            do throws(SendingError) {
                return .success(try lines.next().map { ($0, state.key) })
            } catch {
                return .failure(error)
            }
        }.get()
    }

    private func send(_ batch: LineFile.Batch, key: String, over client: inout HTTPClient) throws(SendingError) {
        var attempt = 0
        while let (obstacle, wait) = try attemptOnce(batch, key, &client) {
            attempt += 1
            try waitOrGiveUp(max(wait, Self.backOff(attempt)), obstacle)
        }
    }

    /// - Returns: why it should be tried again, and when; `nil` once the batch is answered.
    private func attemptOnce(_ batch: LineFile.Batch, _ key: String, _ client: inout HTTPClient) throws(SendingError)
        -> (obstacle: String, wait: Duration)?
    {
        let answer: HTTPAnswer
        do throws(HTTPClientError) {
            answer = try client.send(
                "POST", "/record", headers: [("Content-Type", "application/x-ndjson"), ("Idempotency-Key", key)],
                body: batch.body)
        } catch {
            return (error.description, .zero)
        }
        let shown = "\(client.shownURL) answers \(answer.status)"
        switch answer.status {
        case 200, 422:
            guard let reply = try? JSONDecoder().decode(RecordReply.self, from: Data(answer.body)) else {
                throw .refused("\(shown), and not as an exporter does; is this its address?")
            }
            try acknowledge(batch, reply)
            return nil
        case 429, 503, 507:
            return ("\(shown): \(Self.detail(answer))", min(answer.retryAfter ?? .zero, Self.longestWait))
        default:
            throw .refused("\(shown): \(Self.detail(answer))")
        }
    }

    private static func detail(_ answer: HTTPAnswer) -> String {
        let problem = try? JSONDecoder().decode(ProblemDetail.self, from: Data(answer.body))
        return problem?.detail ?? "is this the exporter's address?"
    }

    private func acknowledge(_ batch: LineFile.Batch, _ reply: RecordReply) throws(SendingError) {
        try queue.sync { () -> Result<Void, SendingError> in
            state.lastSuccess = .now
            state.hasReachedIt = true
            state.progress.obstacle = nil
            let rejected = batch.numbers.count - reply.accepted - reply.duplicates
            state.progress.records += batch.numbers.count
            state.progress.accepted += reply.accepted
            state.progress.duplicates += reply.duplicates
            state.progress.rejected += rejected
            for rejection in reply.errors where state.progress.rejections.count < Self.rejectionsLimit {
                guard let index = rejection.index, batch.numbers.indices.contains(index) else { continue }
                state.progress.rejections.append((batch.numbers[index], rejection.message))
            }
            state.acknowledged[batch.place] = batch.end
            while let mark = state.acknowledged.removeValue(forKey: state.upcoming) {
                state.mark = mark
                state.upcoming += 1
            }
            guard let markPath, let mark = state.mark else { return .success(()) }
            state.progress.bytes = mark.offset
            do throws(SendingError) {
                return .success(try SentMark(key: state.key, mark: mark).write(markPath))
            } catch {
                return .failure(error)
            }
        }.get()
    }

    // MARK: Waiting

    private static let longestWait: Duration = .seconds(10)

    /// Twice as long each time, and never for all connections at once.
    private static func backOff(_ attempt: Int) -> Duration {
        let longest = min(5000, 50 << min(attempt, 10))
        return .milliseconds(Int.random(in: longest / 2...longest))
    }

    private func waitOrGiveUp(_ wait: Duration, _ obstacle: String) throws(SendingError) {
        let (isStopped, hasReachedIt, waited) = queue.sync {
            state.progress.obstacle = obstacle
            return (state.isStopped || state.failure != nil, state.hasReachedIt, .now - state.lastSuccess)
        }
        // One that never answered is rather not there than away for a while.
        guard hasReachedIt else { throw .unreachable(obstacle) }
        guard !isStopped, waited < settings.patience else {
            throw .unreachable(
                "\(obstacle) (since \(waited.components.seconds) s; send it again, and it goes on there)")
        }
        usleep(UInt32(wait.components.seconds * 1_000_000 + wait.components.attoseconds / 1_000_000_000_000))
    }
}
