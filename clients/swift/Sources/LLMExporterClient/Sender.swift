import NIOConcurrencyHelpers

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// The one queue and the tasks between an agent and the exporter.
///
/// The agent's side (`put`) takes a lock, appends, and returns: no I/O, no waiting, whatever the exporter does. One
/// task gathers records into batches, and hands them to the spool where there is one; another turns batches into
/// requests, and answers into counts.
///
/// Every record put in meets one of these ends, and `Statistics` counts each: sent, duplicate, rejected, dropped,
/// expired. A batch leaves the backlog only when its end is known; until then it is sent again, byte for byte.
final class Sender: Sendable {
    /// The exporter remembers ids for 24 hours by default. Past that a repeated record counts twice, so it is given up
    /// an hour before.
    static let expiry = Duration.seconds(23 * 3600)
    /// How long `close` waits for the disk.
    private static let longestSaving = Duration.seconds(1)

    let transport: Transport
    let linger: Duration
    let timeout: Duration
    let maxRecords: Int
    private let maxBytes: Int
    let expiry: Duration
    let reports: Reports
    let spool: QueueConfined<Spool>?
    /// Wakes the task that gathers.
    let arrival = Signal()
    /// Wakes the task that delivers.
    let departure = Signal()
    // The lock is never held while work is asked of the spool; the spool's work may take it.
    let backlog = NIOLockedValueBox(Backlog())
    private let ids = RecordIDs()
    private let task = NIOLockedValueBox<Task<Void, Never>?>(nil)

    /// Starts the tasks, which keep the sender until `close` or `abandon`.
    init(transport: Transport, configuration: LLMMonitor.Configuration, expiry: Duration, reports: Reports) {
        self.transport = transport
        self.expiry = expiry
        self.reports = reports
        linger = configuration.linger.bounded
        timeout = configuration.timeout
        maxRecords = configuration.maxQueueRecords
        maxBytes = configuration.maxQueueBytes
        // Without a URL nobody could deliver what is kept.
        spool = configuration.spoolFolder.flatMap { folder in
            transport.isUsable
                ? QueueConfined(
                    Spool(
                        folder: folder, address: transport.address, maxBytes: configuration.maxSpoolBytes,
                        reports: reports))
                : nil
        }
        // Detached: neither the priority nor the task-local values of whoever made the monitor belong to it.
        task.withLockedValue { $0 = Task.detached { await self.run() } }
    }

    /// An id that no other call has, in this process or another.
    func newID() -> String { ids.next() }

    var statistics: Statistics { backlog.withLockedValue { $0.statistics } }

    /// Takes the start of a call. Neither waits nor fails; so does `putEnd`.
    func putStart(_ call: LLMCallMetrics) { put(.start(call)) }

    /// Takes a finished call.
    func putEnd(_ call: LLMCallMetrics) { put(.end(call, recordedAt: Date().timeIntervalSince1970)) }

    private func put(_ item: Item) {
        switch backlog.withLockedValue({ $0.take(item, maxRecords: maxRecords, maxBytes: maxBytes) }) {
        case .taken: break
        case .wakes: arrival.raise()
        case .full: reports.warn("full", "the queue is full: records are dropped until the exporter takes some")
        case .closed: reports.warn("closed", "a record came after close(): it is dropped, and so is what follows")
        }
    }

    /// Waits until what was queued so far has met its end, at most `limit`. Tells whether it has.
    func flush(within limit: Duration) async -> Bool {
        await wait(until: backlog.withLockedValue { $0.places }, within: limit)
    }

    /// Waits until all records before `place` have met their end, or the sender has. Tells whether they have.
    private func wait(until place: Int, within limit: Duration) async -> Bool {
        let id = backlog.withLockedValue { backlog in
            backlog.flushCount += 1
            return backlog.flushCount
        }
        let deadline = ContinuousClock.now + limit.bounded
        let timer = Task {
            try await Task.sleep(until: deadline, clock: .continuous)
            giveUp(flush: id)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let drained: Bool? = backlog.withLockedValue { backlog in
                    if place <= backlog.settledBefore { return true }
                    if backlog.isEnded { return false }
                    backlog.flushes[id] = Backlog.Flush(target: place, continuation: continuation)
                    // Whoever waits gets an attempt at once.
                    if !backlog.isToldToWait { backlog.retryAt = nil }
                    return nil
                }
                if let drained {
                    continuation.resume(returning: drained)
                } else {
                    arrival.raise()
                    departure.raise()
                    // The timer above and the handler below have found nothing when they came too early.
                    if Task.isCancelled || deadline <= .now { giveUp(flush: id) }
                }
            }
        } onCancel: {
            giveUp(flush: id)
        }
    }

    private func giveUp(flush id: Int) {
        backlog.withLockedValue { $0.flushes.removeValue(forKey: id) }?.continuation.resume(returning: false)
    }

    /// Flushes, and ends the tasks; what is left stays in the spool, or else is dropped and counted. Tells whether
    /// everything met its end.
    func close(within limit: Duration) async -> Bool {
        backlog.withLockedValue { $0.isClosed = true }
        let isDrained = await flush(within: limit)
        abandon()
        if spool == nil {
            await task.withLockedValue { $0 }?.value
        } else {
            // A disk may hang. In a task of its own: a cancelled one would not wait.
            _ = await Task { await wait(until: .max, within: Self.longestSaving) }.value
        }
        return isDrained
    }

    /// Ends the tasks without waiting for them; what is left is on its way to the spool, or else is dropped and
    /// counted.
    func abandon() {
        backlog.withLockedValue { $0.isClosed = true }
        task.withLockedValue { $0 }?.cancel()
        arrival.raise()
        departure.raise()
        if spool == nil { end() }
    }

    func end() {
        let (lost, flushes) = backlog.withLockedValue { $0.end() }
        for flush in flushes { flush.continuation.resume(returning: false) }
        if lost > 0 {
            reports.warn("lost", "\(lost) records could not be delivered to \(transport.address) and are lost")
        }
    }
}
