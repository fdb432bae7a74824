extension Ledger {
    package struct Settings: Sendable {
        /// After this a call that never ended is no longer active.
        package var lease: Duration
        /// Bytes that may wait to be committed; as much again is for clients that hold less than their share of it.
        package var waitingBytesLimit: Int
        /// A post that waits longer than this for a disk that does not answer is refused.
        package var patience: Duration
        /// Time between attempts to commit again after a failure.
        package var retryInterval: Duration

        package init(
            lease: Duration, waitingBytesLimit: Int = 64 << 20, patience: Duration = .seconds(5),
            retryInterval: Duration = .seconds(1)
        ) {
            self.lease = lease
            self.waitingBytesLimit = waitingBytesLimit
            self.patience = patience
            self.retryInterval = retryInterval
        }
    }
}
