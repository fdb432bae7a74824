import HTTP
import Ledger
import Logging
import Model
import Store

/// Counts and logs what the ledger reports of its work.
struct LedgerReporter: LedgerObserver {
    let metrics: OwnMetrics
    let log: Logger

    func answering(_ replies: () -> Void) { HTTPServer.deciding(replies) }

    func committed(records: Int, overflowRecords: Int, in duration: Duration) {
        metrics.committed(records: records, overflowRecords: overflowRecords, in: duration)
    }

    func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool) {
        metrics.commitFailed(error, isUndecided: isUndecided)
        guard isNew else { return }
        log.error(
            isUndecided
                ? "A commit failed and is not settled yet: its senders got no answer, records are refused until it is"
                : "A commit failed: its records were refused and nothing of them was applied; each next one is tried",
            metadata: ["reason": "\(error)"])
    }

    func recovered() {
        log.info("Commits succeed again")
    }

    func checkpointFailed(_ error: StoreError) {
        metrics.checkpointFailures.add()
        // It is tried again after each commit, so only the first failure is logged.
        if metrics.checkpointFailures.count == 1 {
            log.warning(
                "The write-ahead log could not be written back and grows; nothing is lost",
                metadata: ["reason": "\(error)"])
        }
    }

    func budgetStarted(_ budget: Budget, before: Budget?) {
        guard let before else {
            log.info("A new budget starts at 0", metadata: ["budget": "\(budget.name)"])
            return
        }
        log.warning(
            "A budget starts at 0 again, as it counts other calls than before",
            metadata: [
                "budget": "\(budget.name)", "changed": "\(budget.changes(from: before).joined(separator: ", "))",
            ])
    }

    func limitReached(maxSeries: Int) {
        log.warning(
            """
            The limit of series is reached: calls of new agents, providers and models count as _other; raise \
            --limits.max-series, or forget series that are not needed
            """,
            metadata: ["max_series": "\(maxSeries)"])
    }

    func windowShortened(to window: Duration, maxIDs: Int) {
        log.warning(
            "Ids are forgotten before --dedup.window is over, so late retries would count twice; raise --dedup.max-ids",
            metadata: [
                "max_ids": "\(maxIDs)",
                "window_seconds": "\(PlainDecimal.text(Int128(window.wholeMicroseconds), scale: 6))",
            ])
    }
}
