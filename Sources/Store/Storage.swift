package import Model

/// The storage that makes the ledger's state durable. Used by one thread at a time.
///
/// The ledger relies on this:
/// - `committed`: the change is on disk, synced, and will be there after any crash.
/// - `refused`: it is not, and never will be.
/// - `undecided`: it is not known yet. Until `settle` reports which it is, nothing else can be committed, and the
///   change must not be shown.
package protocol Storage {
    /// Whether what is committed outlives the process.
    var isDurable: Bool { get }

    /// Makes a batch durable, all of it or nothing.
    func commit(_ batch: Batch) -> CommitOutcome

    /// Stores the series, open calls and budgets of `state` in place of the stored ones, all of them or nothing. Ids
    /// stay.
    ///
    /// - Parameter moment: by which the times in `state` become times of day.
    func replace(with state: LedgerState, at moment: Moment) -> CommitOutcome

    /// Commits a change of nothing, to find out whether the disk takes commits again.
    func probe() -> CommitOutcome

    /// Finds out what became of an undecided change.
    func settle() -> CommitOutcome

    /// Whether there is work that can wait until the batch is answered.
    var isUntidy: Bool { get }

    /// Does that work.
    func tidy() throws(StoreError)

    /// Closes the files. Nothing can be committed afterwards.
    ///
    /// - Returns: why the next start does not find all that was committed, and nothing else; `nil` if it does.
    @discardableResult
    func close() -> StoreError?
}

package enum CommitOutcome: Sendable {
    case committed
    case refused(StoreError)
    case undecided(StoreError)
}
