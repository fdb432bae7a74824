import Logging
import NIOCore
import NIOHTTP1
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The one queue and the one task between an agent and the exporter.
///
/// The agent's side (`put`) takes a lock, appends, and returns: no I/O, no waiting, whatever the exporter does. The task
/// (`run`) turns records into batches, batches into requests, and answers into counts.
///
/// Every record put in meets one of these ends, and `Statistics` counts each: sent, duplicate, rejected, dropped,
/// expired. A batch leaves the backlog only when its end is known; until then it is sent again, byte for byte.
final class Sender: Sendable {
    /// The exporter remembers ids for 24 hours by default. Past that a repeated record counts twice, so it is given up
    /// an hour before.
    static let expiry = Duration.seconds(23 * 3600)
    private static let batchRecords = 500
    private static let batchBytes = 256 << 10
    private static let backoff = Duration.milliseconds(250)
    private static let longestBackoff = Duration.seconds(30)
    private static let longestRetryAfter = Duration.seconds(300)
    /// The record is at fault, or so the server says: the same bytes would meet the same answer. 401, 403, 404, 405 and
    /// 407 are not here: an operator mends those on the other side, and then the same bytes are welcome.
    private static let hopeless: Set<Int> = [400, 402, 406, 409, 410, 411, 413, 414, 415, 422, 431]

    private enum Item: Sendable {
        case start(LLMCallMetrics)
        case end(LLMCallMetrics, recordedAt: Double)
    }

    private struct Flush {
        /// Waits for the records before this place.
        let target: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var statistics = Statistics()
        /// Records that were ever queued; the place of a record is how many were before it.
        var places = 0
        /// What waits is charged for, in bytes: texts of calls, lines of batches.
        var queuedBytes = 0
        var inbox: [Item] = []
        var inboxBytes = 0
        /// The place of the oldest record that is just being encoded.
        var encodingFrom: Int?
        var backlog = CircularBuffer<Batch>()
        /// Nothing waits, and the task has to be woken when something does.
        var isAsleep = false
        /// No more records are taken.
        var isClosed = false
        /// Nothing is sent any more.
        var isEnded = false
        var flushes: [Int: Flush] = [:]
        var flushCount = 0
        var failures = 0
        var retryAt: ContinuousClock.Instant?
        /// By `Retry-After`; a flush waits for it too.
        var isToldToWait = false

        /// All records before this place have met their end.
        var settledBefore: Int { backlog.first?.firstPlace ?? encodingFrom ?? places - inbox.count }

        /// Takes out the flushes that have nothing left to wait for.
        mutating func finishedFlushes() -> [Flush] {
            if flushes.isEmpty { return [] }
            let settled = settledBefore
            let finished = flushes.filter { $0.value.target <= settled }
            for id in finished.keys { flushes[id] = nil }
            return Array(finished.values)
        }
    }

    /// What the task does next.
    private enum Step {
        case work
        case linger
        case sleep(until: ContinuousClock.Instant?)
    }

    /// Why a batch has to be sent again.
    private struct Later {
        let kind: String
        let reason: String
        var retryAfter: Duration?
    }

    private let transport: Transport
    private let linger: Duration
    private let timeout: Duration
    private let maxRecords: Int
    private let maxBytes: Int
    private let expiry: Duration
    private let reports: Reports
    private let ids = RecordIDs()
    private let signal = Signal()
    private let state = Mutex(State())
    private let task = Mutex<Task<Void, Never>?>(nil)

    /// Starts the task, which keeps the sender until `close` or `abandon`.
    init(transport: Transport, configuration: LLMMonitor.Configuration, expiry: Duration, reports: Reports) {
        self.transport = transport
        self.expiry = expiry
        self.reports = reports
        linger = configuration.linger.bounded
        timeout = configuration.timeout
        maxRecords = configuration.maxQueueRecords
        maxBytes = configuration.maxQueueBytes
        // Detached: neither the priority nor the task-local values of whoever made the monitor belong to it.
        task.withLock { $0 = Task.detached { await self.run() } }
    }

    /// An id that no other call has, in this process or another.
    func newID() -> String { ids.next() }

    var statistics: Statistics { state.withLock { $0.statistics } }

    // MARK: The agent's side

    /// Takes the start of a call. Neither waits nor fails; so does `putEnd`.
    func putStart(_ call: LLMCallMetrics) { put(.start(call), bytes: Self.weight(of: call)) }

    /// Takes a finished call.
    func putEnd(_ call: LLMCallMetrics) {
        put(.end(call, recordedAt: Date().timeIntervalSince1970), bytes: Self.weight(of: call))
    }

    private func put(_ item: Item, bytes: Int) {
        enum Outcome { case taken, wakes, full, closed }
        let outcome: Outcome = state.withLock { state in
            state.statistics.recorded += 1
            let isFull = state.statistics.queued >= maxRecords || state.queuedBytes + bytes > maxBytes
            if state.isClosed || isFull {
                state.statistics.dropped += 1
                return state.isClosed ? .closed : .full
            }
            state.places += 1
            state.statistics.queued += 1
            state.queuedBytes += bytes
            state.inboxBytes += bytes
            state.inbox.append(item)
            defer { state.isAsleep = false }
            return state.isAsleep || state.inbox.count == Self.batchRecords ? .wakes : .taken
        }
        switch outcome {
        case .taken: break
        case .wakes: signal.raise()
        case .full: reports.warn("full", "the queue is full: records are dropped until the exporter takes some")
        case .closed: reports.warn("closed", "a record came after close(): it is dropped, and so is what follows")
        }
    }

    /// Bytes of memory that a waiting call is charged for: more than it takes.
    private static func weight(of call: LLMCallMetrics) -> Int {
        let names = call.agentName.utf8.count + call.provider.utf8.count + call.model.utf8.count
        let rest = (call.id?.utf8.count ?? 0) + (call.errorType?.utf8.count ?? 0) + (call.traceID?.utf8.count ?? 0)
        return 1024 + names + rest + call.status.rawValue.utf8.count
    }

    /// Waits until what was queued so far has met its end, at most `limit`. Tells whether it has.
    func flush(within limit: Duration) async -> Bool {
        let id = state.withLock { state in
            state.flushCount += 1
            return state.flushCount
        }
        let deadline = ContinuousClock.now + limit.bounded
        let timer = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            giveUp(flush: id)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let drained: Bool? = state.withLock { state in
                    if state.places <= state.settledBefore { return true }
                    if state.isEnded { return false }
                    state.flushes[id] = Flush(target: state.places, continuation: continuation)
                    // Whoever waits gets an attempt at once.
                    if !state.isToldToWait { state.retryAt = nil }
                    return nil
                }
                if let drained {
                    continuation.resume(returning: drained)
                } else {
                    signal.raise()
                    // The timer above and the handler below have found nothing when they came too early.
                    if Task.isCancelled || deadline <= .now { giveUp(flush: id) }
                }
            }
        } onCancel: {
            giveUp(flush: id)
        }
    }

    private func giveUp(flush id: Int) {
        state.withLock { $0.flushes.removeValue(forKey: id) }?.continuation.resume(returning: false)
    }

    /// Flushes, and ends the task; what is left is dropped and counted. Tells whether everything met its end.
    func close(within limit: Duration) async -> Bool {
        state.withLock { $0.isClosed = true }
        let isDrained = await flush(within: limit)
        abandon()
        await task.withLock { $0 }?.value
        return isDrained
    }

    /// Ends the task without waiting for it; what is left is dropped and counted.
    func abandon() {
        let (lost, flushes) = state.withLock { state in
            let lost = state.statistics.queued
            state.isClosed = true
            state.isEnded = true
            state.statistics.queued = 0
            state.statistics.dropped += lost
            state.queuedBytes = 0
            state.inbox = []
            state.inboxBytes = 0
            state.backlog = CircularBuffer()
            defer { state.flushes = [:] }
            return (lost, Array(state.flushes.values))
        }
        task.withLock { $0 }?.cancel()
        signal.raise()
        for flush in flushes { flush.continuation.resume(returning: false) }
        if lost > 0 {
            reports.warn("lost", "\(lost) records could not be delivered to \(transport.address) and are lost")
        }
    }

    // MARK: The task

    private func run() async {
        while !Task.isCancelled {
            switch nextStep() {
            case .sleep(let deadline):
                await signal.wait(until: deadline)
            case .linger:
                // Calls that end together travel together.
                await signal.wait(until: .now + linger)
                await work()
            case .work:
                await work()
            }
        }
    }

    private func nextStep() -> Step {
        state.withLock { state in
            if !state.backlog.isEmpty {
                guard let retryAt = state.retryAt, retryAt > .now else { return .work }
                return .sleep(until: retryAt)
            }
            if state.inbox.isEmpty {
                state.isAsleep = !state.isEnded
                return .sleep(until: nil)
            }
            return state.inbox.count < Self.batchRecords && state.flushes.isEmpty ? .linger : .work
        }
    }

    private func work() async {
        gather()
        await deliver()
    }

    /// Moves records of the inbox into batches, each of one agent.
    private func gather() {
        let (items, weight, firstPlace) = state.withLock { state in
            let firstPlace = state.places - state.inbox.count
            state.encodingFrom = firstPlace
            defer { (state.inbox, state.inboxBytes) = ([], 0) }
            return (state.inbox, state.inboxBytes, firstPlace)
        }
        var complete: [Batch] = []
        var open: [String: Batch] = [:]
        var agents: [String] = []
        var bytes = 0
        var mended = 0
        for item in items {
            let line: RecordLine
            switch item {
            case .start(let call): line = RecordLine(start: call, newID: newID)
            case .end(let call, let recordedAt): line = RecordLine(end: call, recordedAt: recordedAt, newID: newID)
            }
            bytes += line.bytes.count
            mended += line.mended.count
            for field in line.mended {
                reports.warn("mended \(field)", "a value of \(field) was out of bounds: it was mended, or left out")
            }
            if let batch = open[line.agentName],
                batch.records >= Self.batchRecords || batch.bytes + line.bytes.count > Self.batchBytes
            {
                complete.append(batch)
                open[line.agentName] = nil
            } else if open[line.agentName] == nil {
                agents.append(line.agentName)
            }
            open[line.agentName, default: Batch(agentName: line.agentName, firstPlace: firstPlace, created: .now)]
                .append(line.bytes)
        }
        complete += agents.compactMap { open[$0] }
        state.withLock { state in
            state.encodingFrom = nil
            // Else its records are counted as dropped already.
            guard !state.isEnded else { return }
            state.backlog.append(contentsOf: complete)
            state.queuedBytes += bytes - weight
            state.statistics.mended += mended
        }
    }

    /// Sends what waits, until nothing does or an attempt fails.
    private func deliver() async {
        while !Task.isCancelled, let batch = oldest() {
            let answer: Answer
            do {
                answer = try await transport.exchange(
                    .POST, "/record", body: batch.body,
                    headers: [
                        "Content-Type": "application/x-ndjson",
                        "X-Agent-Name": Transport.headerValue(batch.agentName),
                    ],
                    within: timeout)
            } catch {
                if Task.isCancelled { return }
                putOff(
                    Later(
                        kind: "unreachable",
                        reason: "cannot reach the exporter at \(transport.address): \(error.reason)"))
                return
            }
            if let later = settle(batch, by: answer) {
                putOff(later)
                return
            }
        }
    }

    /// The batch whose turn it is, past those that are too old.
    private func oldest() -> Batch? {
        while let batch = state.withLock({ $0.backlog.first }) {
            if .now - batch.created < expiry { return batch }
            reports.warn("expired", "records that waited for \(expiry.components.seconds / 3600) hours are dropped")
            finish(batch) { $0.expired += batch.records }
        }
        return nil
    }

    /// Reads the answer to a batch, and is done with it; or says why it has to be sent again.
    private func settle(_ batch: Batch, by answer: Answer) -> Later? {
        let reply = try? JSONDecoder().decode(Reply.self, from: Data(answer.body.readableBytesView))
        switch answer.status {
        case 200:
            guard let accepted = reply?.accepted, let duplicates = reply?.duplicates else {
                return Later(kind: "stranger", reason: "what answers at \(transport.address) is no exporter")
            }
            let sent = min(max(0, accepted), batch.records)
            let repeated = min(max(0, duplicates), batch.records - sent)
            let rejected = batch.records - sent - repeated
            if rejected > 0 { reportRejection(of: rejected, reply, status: 200) }
            finish(batch) { statistics in
                statistics.sent += sent
                statistics.duplicates += repeated
                statistics.rejected += rejected
            }
            let failures = state.withLock { state in
                defer { (state.failures, state.retryAt, state.isToldToWait) = (0, nil, false) }
                return state.failures
            }
            if failures > 0 { reports.note("the exporter at \(transport.address) takes records again") }
            return nil
        case 413 where batch.records > 1:
            let (first, second) = batch.halves()
            state.withLock { state in
                guard !state.isEnded else { return }
                state.backlog.removeFirst()
                state.backlog.prepend(second)
                state.backlog.prepend(first)
            }
            return nil
        case _ where Self.hopeless.contains(answer.status):
            reportRejection(of: batch.records, reply, status: answer.status)
            finish(batch) { $0.rejected += batch.records }
            return nil
        default:
            var reason = "the exporter at \(transport.address) answers \(answer.status)"
            if [401, 403].contains(answer.status) {
                reason += ": look at the user name and password, or the token"
            } else if let location = answer.location {
                reason += " and points to \(location): give that as the URL"
            } else if [404, 405].contains(answer.status) {
                reason += ": is that the exporter's URL?"
            }
            return Later(kind: "status \(answer.status)", reason: reason, retryAfter: answer.retryAfter)
        }
    }

    /// Takes the oldest batch out, whose end `count` counts.
    private func finish(_ batch: Batch, count: (inout Statistics) -> Void) {
        let flushes: [Flush] = state.withLock { state in
            // Else its records are counted as dropped already.
            guard !state.isEnded else { return [] }
            state.backlog.removeFirst()
            state.statistics.queued -= batch.records
            state.queuedBytes -= batch.bytes
            count(&state.statistics)
            return state.finishedFlushes()
        }
        for flush in flushes { flush.continuation.resume(returning: true) }
    }

    /// Leaves the batch where it is, to be sent again byte for byte.
    private func putOff(_ later: Later) {
        reports.warn(
            later.kind, "\(later.reason). Records wait (at most \(maxRecords) in memory) and are sent again")
        state.withLock { state in
            state.failures += 1
            state.statistics.retried += 1
            state.isToldToWait = later.retryAfter != nil
            let delay: Duration
            if let retryAfter = later.retryAfter {
                // Not all at the same instant, either.
                delay = min(retryAfter, Self.longestRetryAfter) + Self.backoff * Double.random(in: 0...1)
            } else {
                // Full jitter: senders that failed together do not come back together.
                let longest = min(Self.longestBackoff, Self.backoff * Double(1 << min(state.failures, 10)))
                delay = longest * Double.random(in: 0...1)
            }
            state.retryAt = .now + delay
        }
    }

    /// Warns of the first rejection of each field and code; the exporter's message says what to mend.
    private func reportRejection(of records: Int, _ reply: Reply?, status: Int) {
        let first = reply?.errors?.first
        let (field, code) = (first?.field ?? "-", first?.code ?? "-")
        let message = first?.message ?? reply?.detail ?? "HTTP \(status)"
        reports.warn(
            "rejected \(field) \(code)",
            "the exporter rejected \(records) records: field \(field), code \(code): \(message)")
    }
}
