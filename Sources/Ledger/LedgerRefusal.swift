internal import Store

/// Why nothing of a request was applied; of `outcomeUnknown`, why nobody can say.
package enum LedgerRefusal: Error, Sendable, Equatable {
    /// As many calls are in flight as may be (`OpenCalls.limit`).
    case tooManyOpenCalls
    /// More waits to be committed than may.
    case overloaded
    /// The disk is full.
    case storageFull(String)
    case storageFailed(String)
    /// The commit failed, and whether it is on disk cannot be told yet.
    case outcomeUnknown
    /// The ledger takes no more.
    case closed

    init(_ error: StoreError) {
        self = error.kind == .full ? .storageFull(error.description) : .storageFailed(error.description)
    }
}
