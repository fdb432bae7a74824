internal import Store

/// Why nothing of a request was applied; with `outcomeUnknown` it may have been.
package enum LedgerRefusal: Error, Sendable, Equatable {
    /// The limit of bytes that wait to be committed is reached.
    case overloaded
    /// The disk is full.
    case storageFull(String)
    case storageFailed(String)
    /// The commit failed, and it is not known yet whether it is on disk.
    case outcomeUnknown
    /// The ledger is closed.
    case closed

    init(_ error: StoreError) {
        self = error.kind == .full ? .storageFull(error.description) : .storageFailed(error.description)
    }
}
