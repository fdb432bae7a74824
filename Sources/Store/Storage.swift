package import Model

/// Where the ledger makes its state durable. Used by one thread at a time.
///
/// What the ledger relies on:
/// - `committed` means that the change is on disk, synced, and will be there after any crash.
/// - `refused` means that it is not, and will not be, whatever happens next.
/// - `undecided` means that nobody can tell yet. Until `settle` has said which it is, nothing else can be committed, and
///   the change must not be shown.
package protocol Storage {
    /// Whether what is committed outlives the process.
    var isDurable: Bool { get }

    /// Makes what a batch changes durable, all of it or nothing.
    func commit(_ revision: Revision) -> CommitOutcome

    /// Makes the series and open calls of `state` those that are stored, all of them or nothing. Ids stay.
    ///
    /// - Parameter skew: what the time of day is ahead of the times in `state`.
    func replace(with state: LedgerState, skew: Duration) -> CommitOutcome

    /// Commits a change of nothing: tells whether the disk takes commits again.
    func probe() -> CommitOutcome

    /// Finds out what became of an undecided change.
    func settle() -> CommitOutcome

    /// Whether there is work that need not be done before anybody is answered.
    var isUntidy: Bool { get }

    /// Does that work.
    func tidy() throws(StoreError)

    /// Leaves all in the folder. Nothing can be committed afterwards.
    ///
    /// - Returns: why not all that was committed, and nothing else, is where the next start finds it; `nil` where it is.
    @discardableResult
    func close() -> StoreError?
}

package enum CommitOutcome: Sendable {
    case committed
    case refused(StoreError)
    case undecided(StoreError)
}

/// `--storage.memory`: nothing outlives the process.
package final class MemoryStorage: Storage {
    package init() {}

    package var isDurable: Bool { false }
    package func commit(_ revision: Revision) -> CommitOutcome { .committed }
    package func replace(with state: LedgerState, skew: Duration) -> CommitOutcome { .committed }
    package func probe() -> CommitOutcome { .committed }
    package func settle() -> CommitOutcome { .committed }
    package var isUntidy: Bool { false }
    package func tidy() {}
    package func close() -> StoreError? { nil }
}
