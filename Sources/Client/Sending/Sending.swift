internal import Dispatch
private import FoundationEssentials
private import Glibc

/// Posts the records of a file, or of standard input, to an exporter: in batches, over several connections. Each record
/// counts once, however often it is sent.
///
/// Records without an id get one from a key and their place in the file. The key is kept beside the file (`FILE.sent`),
/// with how much was sent: a later run goes on from there. Standard input, or a pipe, is sent by one run.
package final class Sending: @unchecked Sendable {
    // Unchecked: `state` and `lines` are used on `queue` alone.
    private let queue = DispatchQueue(label: "llm-exporter.sending")
    private var state: SendingState
    private let lines: LineFile
    private let settings: Settings

    /// Opens the file, and reads up to the end of what an earlier run sent.
    ///
    /// - Throws: if the file cannot be read, does not begin with what was sent of it, or was sent to another address.
    ///   In the latter two cases there is no way to know which of its records are new.
    package init(_ settings: Settings) throws(SendingError) {
        self.settings = settings
        let address: HTTPAddress
        do throws(HTTPClientError) {
            address = try HTTPAddress(settings.url)
        } catch {
            throw .unreachable(error.description)
        }
        let input =
            settings.isStandardInput
            ? InputFile(descriptor: STDIN_FILENO, name: "standard input") : try InputFile(path: settings.path)
        lines = try LineFile(input)
        state = SendingState(
            sent: SentMark(
                key: UUID().uuidString, address: address, batch: settings.linesPerRequest,
                inode: lines.regular?.inode ?? 0, position: lines.position))
        guard !settings.isStandardInput, let (bytes, inode) = lines.regular else { return }
        try lines.lock()
        state.isMarked = true
        state.progress.totalBytes = bytes
        if let sent = try Self.earlierMark(settings, inode: inode) {
            // One that an older version wrote may hold a password.
            try sent.write(settings.markPath)
            if try Self.isMeant(sent, for: address, settings) {
                try goOn(from: sent, inode: inode)
                return
            }
        }
        // Written before anything is sent, so that a later run has the key, however this one ends.
        try state.sent.write(settings.markPath)
    }

    /// The mark of an earlier run that sent, or began to send, this file.
    private static func earlierMark(_ settings: Settings, inode: UInt64) throws(SendingError) -> SentMark? {
        var sent = try SentMark.read(settings.markPath)
        if sent == nil {
            sent = try SentMark.ofRenamedFile(settings.path, inode: inode) { position throws(SendingError) in
                try LineFile(InputFile(path: settings.path)).skip(to: position)
            }
        }
        return sent
    }

    /// Whether to go on from a mark.
    ///
    /// - Returns: false if nothing was acknowledged at the mark's address, which may have been wrong: the file is sent
    ///   to this one as new.
    /// - Throws: if it was sent to another address. Another user or password makes no other address.
    private static func isMeant(
        _ sent: SentMark, for address: HTTPAddress, _ settings: Settings
    ) throws(SendingError) -> Bool {
        if sent.url == address.text { return true }
        guard sent.position.offset == 0 else {
            throw .unreadable(
                "\(settings.path): was sent to \(sent.url), as \(settings.markPath) says; "
                    + "to send all of it to \(address.text), too, remove \(settings.markPath)")
        }
        return false
    }

    private func goOn(from sent: SentMark, inode: UInt64) throws(SendingError) {
        let position = sent.position
        guard try lines.skip(to: position), position.offset > 0 || sent.inode == inode else {
            let remedy = sent.inode == inode ? "" : "if it was renamed, send it by its new name first; else "
            throw .unreadable(
                "\(settings.path): does not begin with the \(position.lines) lines that were sent, as "
                    + "\(settings.markPath) says: \(remedy)put what is new or corrected into a file of its own, "
                    + "or remove \(settings.markPath) to send all of it as new")
        }
        state.sent = sent
        state.progress.skippedLines = position.lines
        state.progress.bytes = position.offset
    }

    package var progress: Progress { queue.sync { state.progress } }

    /// Begins no further request. Those in flight are waited for.
    package func stop() {
        queue.sync { state.isStopped = true }
    }

    /// Sends everything. Returns when every record was answered, or after `stop`.
    ///
    /// - Throws: if sending is given up. A later run goes on from there.
    package func run() throws(SendingError) -> Progress {
        queue.sync { state.lastSuccess = .now }
        let connections = DispatchGroup()
        for _ in 0..<max(1, settings.connections) {
            // A thread each: `concurrentPerform` has no more than there are cores, and a connection mostly waits.
            DispatchQueue(label: "llm-exporter.connection").async(group: connections) { [self] in
                do throws(SendingError) {
                    try sendBatches()
                } catch {
                    queue.sync { state.failure = state.failure ?? error }
                }
            }
        }
        connections.wait()
        return try exclusively { () throws(SendingError) in
            state.progress.leavesUnfinishedLine = lines.leavesUnfinishedLine
            if let failure = state.failure { throw failure }
            state.progress.isComplete = !state.isStopped
            return state.progress
        }
    }

    /// `DispatchQueue.sync` for a body with a typed error.
    private func exclusively<Value>(_ body: () throws(SendingError) -> Value) throws(SendingError) -> Value {
        try queue.sync { Result(catching: body) }.get()
    }

    // MARK: One connection

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
        try exclusively { () throws(SendingError) in
            state.isOver ? nil : try lines.next(lines: state.sent.batch)
        }
    }

    private func acknowledge(_ batch: Batch) throws(SendingError) {
        try exclusively { () throws(SendingError) in
            state.acknowledge(batch)
            if state.isMarked { try state.sent.write(settings.markPath) }
        }
    }

    /// Sends `lines` until they are answered.
    ///
    /// - Returns: false if it was stopped before.
    private func send(_ lines: [Batch.Line], over client: inout HTTPClient) throws(SendingError) -> Bool {
        let post = RecordPost(lines: lines, key: queue.sync { "\(state.sent.key)-\(lines[0].number)" })
        var attempt = 0
        while true {
            attempt += 1
            let outcome = post.send(over: &client)
            if outcome.isAnswer { queue.sync { state.hasAnswered = true } }
            switch outcome {
            case .answered(let reply):
                queue.sync { state.take(reply, to: lines) }
                return true
            case .tooLarge where lines.count > 1:
                // A later run that sends these lines again halves them in the same way: the keys stay the same.
                let half = lines.count / 2
                guard try send(Array(lines[..<half]), over: &client) else { return false }
                return try send(Array(lines[half...]), over: &client)
            case .tooLarge(let reason):
                queue.sync { state.progress.addRejected(lines[0], reason) }
                return true
            case .postponed(let obstacle, let asked):
                guard try wait(max(asked, Self.backOff(attempt)), because: obstacle) else { return false }
            case .unanswered(let obstacle):
                guard try wait(Self.backOff(attempt), because: obstacle) else { return false }
            case .refused(let reason):
                throw .refused(reason)
            }
        }
    }

    // MARK: Waiting

    /// How often a waiting connection looks whether sending was stopped, in microseconds.
    private static let lookMicroseconds: UInt32 = 20_000

    /// Twice as long each time, up to 5 s, and random, so that connections do not all ask again at once.
    private static func backOff(_ attempt: Int) -> Duration {
        let longest = min(5000, 50 << min(attempt, 10))
        return .milliseconds(Int.random(in: longest / 2...longest))
    }

    /// - Returns: whether to try again; false if it was stopped.
    private func wait(_ duration: Duration, because obstacle: String) throws(SendingError) -> Bool {
        let (hasAnswered, waited) = queue.sync {
            state.progress.obstacle = obstacle
            return (state.hasAnswered, .now - state.lastSuccess)
        }
        // An exporter that never answered is more likely a wrong address than one that restarts.
        guard hasAnswered else { throw .unreachable(obstacle) }
        guard waited < settings.patience else {
            throw .unreachable(
                "\(obstacle) (for \(waited.components.seconds) s; the same command continues from there)")
        }
        let end = ContinuousClock.now + duration
        while ContinuousClock.now < end {
            if queue.sync(execute: { state.isOver }) { return false }
            usleep(Self.lookMicroseconds)
        }
        return true
    }
}
