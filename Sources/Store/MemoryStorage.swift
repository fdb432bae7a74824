package import Model

/// `--storage.memory`: nothing outlives the process.
package final class MemoryStorage: Storage {
    package init() {}

    package var isDurable: Bool { false }
    package func commit(_ batch: Batch) -> CommitOutcome { .committed }
    package func replace(with state: LedgerState, at moment: Moment) -> CommitOutcome { .committed }
    package func probe() -> CommitOutcome { .committed }
    package func settle() -> CommitOutcome { .committed }
    package var isUntidy: Bool { false }
    package func tidy() {}
    package func close() -> StoreError? { nil }
}
