/// What became of the records of a monitor, starts of calls included.
///
/// `recorded + adopted == queued + sent + duplicates + rejected + dropped + expired`
public struct Statistics: Equatable, Sendable {
    /// Taken from the agent.
    public internal(set) var recorded = 0
    /// Found in the spool, left behind by processes that died.
    public internal(set) var adopted = 0
    /// On their way, in memory or in the spool.
    public internal(set) var queued = 0
    /// Accepted by the exporter.
    public internal(set) var sent = 0
    /// Accepted before: an answer had been lost, or a process had died after it.
    public internal(set) var duplicates = 0
    /// Refused by the exporter for good.
    public internal(set) var rejected = 0
    /// Lost: the queue or the spool was full or came to harm, or the monitor was closed.
    public internal(set) var dropped = 0
    /// Waited so long that sending them could count them twice.
    public internal(set) var expired = 0
    /// Attempts to send a batch that failed, and were or will be repeated.
    public internal(set) var retried = 0
    /// Values that were outside their bounds, and were corrected or left out; the records still count.
    public internal(set) var mended = 0
}
