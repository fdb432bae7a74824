import NIOCore
import NIOHTTP1

/// The tasks: from records to batches, and from batches to answers.
extension Sender {
    private static let backoff = Duration.milliseconds(250)
    private static let longestBackoff = Duration.seconds(30)
    private static let longestRetryAfter = Duration.seconds(300)
    /// How often to look for what dead processes left.
    private static let adoptionInterval = Duration.seconds(60)

    func run() async {
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { await self.gatherAll() }
            tasks.addTask { await self.deliverAll() }
        }
        if let spool {
            await gather()
            await spool.perform { $0.close() }
        }
        end()
    }

    // MARK: Gathering

    private enum Step { case work, linger, sleep }

    private func gatherAll() async {
        while !Task.isCancelled {
            let step: Step = backlog.withLockedValue { backlog in
                if backlog.inbox.isEmpty {
                    backlog.gatherer = .asleep
                    return .sleep
                }
                if spool == nil, !backlog.batches.isEmpty {
                    // During an outage few records come at a time; in memory they can wait to travel together.
                    backlog.gatherer = .held
                    return .sleep
                }
                backlog.gatherer = .working
                return backlog.inbox.count < Batch.maxRecords && backlog.flushes.isEmpty ? .linger : .work
            }
            switch step {
            case .sleep: await arrival.wait(until: nil)
            case .linger:
                // Calls that end together travel together.
                await arrival.wait(until: .now + linger)
                await gather()
            case .work: await gather()
            }
        }
    }

    /// Moves records of the inbox into batches.
    private func gather() async {
        let (items, weight, firstPlace) = backlog.withLockedValue { $0.beginEncoding() }
        if items.isEmpty { return }
        let gathering = Gathering(items, firstPlace: firstPlace, newID: newID)
        for field in gathering.mended {
            reports.warn("mended \(field)", "a value of \(field) was out of bounds: it was corrected, or left out")
        }
        if let spool {
            await spool.perform { spool in self.store(gathering, weight: weight, in: &spool) }
        } else {
            backlog.withLockedValue { backlog in
                backlog.keep(gathering.batches, weight: weight)
                backlog.counts.mended += gathering.mended.count
            }
        }
        departure.raise()
    }

    private func store(_ gathering: Gathering, weight: Int, in spool: inout Spool) {
        var kept: [Batch] = []
        var (stored, dropped) = (0, 0)
        for batch in gathering.batches {
            switch spool.append(batch) {
            case .stored: stored += batch.records
            case .refused: kept.append(batch)
            case .full:
                dropped += batch.records
                reports.warn("full", "the spool is full: records are dropped until the exporter takes some")
            }
        }
        update(spool.extent) { backlog in
            backlog.keep(kept, weight: weight, stored: stored, dropped: dropped)
            backlog.counts.mended += gathering.mended.count
        }
    }

    /// Changes the backlog, as one step for whoever counts its records, and ends the flushes that waited for that.
    ///
    /// - `extent`: of the spool, which the caller holds meanwhile, where there is one.
    private func update(_ extent: Spool.Extent?, _ change: (inout Backlog) -> Void) {
        let flushes = backlog.withLockedValue { backlog in
            if let extent { backlog.spooled = extent }
            change(&backlog)
            return backlog.finishedFlushes()
        }
        for flush in flushes { flush.continuation.resume(returning: true) }
    }

    // MARK: Delivering

    private func deliverAll() async {
        var adoptAt = ContinuousClock.now
        while !Task.isCancelled {
            if let spool, adoptAt <= .now {
                adoptAt = .now + Self.adoptionInterval
                await spool.perform { spool in
                    let adopted = spool.adopt()
                    self.update(spool.extent) { $0.counts.adopted += adopted }
                }
            }
            let (isEmpty, retryAt) = backlog.withLockedValue { ($0.isEmpty, $0.retryAt) }
            if !isEmpty, retryAt ?? .now <= .now {
                await deliver()
            } else {
                let deadlines = [isEmpty ? nil : retryAt, spool == nil ? nil : adoptAt]
                await departure.wait(until: deadlines.compactMap { $0 }.min())
            }
        }
    }

    /// Sends what waits, until nothing does or an attempt fails.
    private func deliver() async {
        while !Task.isCancelled, let batch = await oldest() {
            let answer: Answer
            do {
                answer = try await transport.exchange(
                    .POST, "/record", body: ByteBuffer(bytes: batch.body),
                    headers: [
                        "Content-Type": "application/x-ndjson",
                        "X-Agent-Name": Transport.headerValue(batch.agentName),
                    ],
                    within: timeout)
            } catch {
                if Task.isCancelled { return }
                await putOff(
                    Verdict.Later(
                        kind: "unreachable",
                        reason: "cannot reach the exporter at \(transport.address): \(error.reason)"))
                return
            }
            switch Verdict(answer, records: batch.records, address: transport.address) {
            case .later(let later):
                await putOff(later)
                return
            case .tooLarge:
                await split(batch)
            case .settled(let sent, let duplicates, let rejected, let complaint):
                if let complaint {
                    reports.warn(
                        "rejected \(complaint.field) \(complaint.code)",
                        "the exporter rejected \(rejected) records: field \(complaint.field), "
                            + "code \(complaint.code): \(complaint.message)")
                }
                await finish(batch) { counts in
                    counts.sent += sent
                    counts.duplicates += duplicates
                    counts.rejected += rejected
                }
                if answer.status == 200 { welcome() }
            }
        }
    }

    /// The batch whose turn it is, past those that are too old.
    private func oldest() async -> Batch? {
        while let batch = await first() {
            if .now - batch.created < expiry { return batch }
            reports.warn("expired", "records that waited for \(expiry.components.seconds / 3600) hours are dropped")
            await finish(batch) { $0.expired += batch.records }
        }
        return nil
    }

    private func first() async -> Batch? {
        if let batch = backlog.withLockedValue({ $0.batches.first }) { return batch }
        return await spool?.perform { spool in
            let (batch, lost) = spool.first()
            self.update(spool.extent) { $0.counts.dropped += lost }
            return batch
        }
    }

    /// Takes a batch out, the oldest where it lies, whose end `count` counts.
    private func finish(_ batch: Batch, count: @escaping @Sendable (inout Statistics) -> Void) async {
        if batch.isStored {
            await spool?.perform { spool in
                spool.removeFirst()
                self.update(spool.extent) { count(&$0.counts) }
            }
        } else {
            update(nil) { backlog in
                // Else its records are counted as dropped already.
                guard !backlog.isEnded else { return }
                backlog.removeFirst()
                count(&backlog.counts)
                if backlog.gatherer == .held, backlog.batches.isEmpty { arrival.raise() }
            }
        }
    }

    private func split(_ batch: Batch) async {
        if batch.isStored {
            await spool?.perform { $0.splitFirst() }
        } else {
            backlog.withLockedValue { $0.splitFirst() }
        }
    }

    /// The exporter has taken a batch.
    private func welcome() {
        let failures = backlog.withLockedValue { backlog in
            defer { (backlog.failures, backlog.retryAt, backlog.isToldToWait) = (0, nil, false) }
            return backlog.failures
        }
        if failures > 0 { reports.note("the exporter at \(transport.address) takes records again") }
    }

    /// Leaves the batch where it is, to be sent again byte for byte.
    private func putOff(_ later: Verdict.Later) async {
        await spool?.perform { $0.secure() }
        let isStored = backlog.withLockedValue { !$0.spooled.isEmpty }
        let place = isStored ? "the spool keeps them" : "at most \(maxRecords) in memory"
        reports.warn(later.kind, "\(later.reason). Records wait (\(place)) and are sent again")
        backlog.withLockedValue { backlog in
            backlog.failures += 1
            backlog.counts.retried += 1
            backlog.isToldToWait = later.retryAfter != nil
            let delay: Duration
            if let retryAfter = later.retryAfter {
                // Not all at the same instant, either.
                delay = min(retryAfter, Self.longestRetryAfter) + Self.backoff * Double.random(in: 0...1)
            } else {
                // Full jitter: senders that failed together do not come back together.
                let longest = min(Self.longestBackoff, Self.backoff * Double(1 << min(backlog.failures, 10)))
                delay = longest * Double.random(in: 0...1)
            }
            backlog.retryAt = .now + delay
        }
    }
}
