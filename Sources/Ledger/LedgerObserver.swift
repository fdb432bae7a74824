package import Model
package import Store

/// The ledger's reports of its own work; called on its queue.
package protocol LedgerObserver: Sendable {
    /// Runs `replies`, which answers the requests of one batch.
    func answering(_ replies: () -> Void)
    /// A batch was committed and adopted.
    func committed(records: Int, overflowRecords: Int, in duration: Duration)
    /// A commit failed. `isNew`: the first since the last success, or the first of its kind.
    func commitFailed(_ error: StoreError, isUndecided: Bool, isNew: Bool)
    /// The first commit after a failure succeeded.
    func recovered()
    /// The WAL could not be written back, and grows; nothing is lost.
    func checkpointFailed(_ error: StoreError)
    /// A configuration has a budget that starts at 0: it is new, or counts other calls than `before`.
    func budgetStarted(_ budget: Budget, before: Budget?)
    /// `--limits.max-series` folds a record; called once.
    func limitReached(maxSeries: Int)
    /// `--dedup.max-ids` pushes ids out before their time; called once.
    func windowShortened(to window: Duration, maxIDs: Int)
}

extension LedgerObserver {
    package func answering(_ replies: () -> Void) { replies() }
}
