import NIOCore

/// What waits between an agent and the exporter, and what became of the rest. Under one lock; values only, no I/O.
///
/// A record is in the inbox, then being encoded, then in a batch: in memory, or in the spool.
struct Backlog: Sendable {
    struct Flush {
        /// Waits for the records before this place.
        let target: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    enum Outcome { case taken, wakes, full, closed }

    /// What the task that gathers is doing.
    enum Gatherer {
        case working
        /// Nothing has come.
        case asleep
        /// What comes waits in the inbox until the batches have gone.
        case held
    }

    /// All but `queued`.
    var counts = Statistics()
    /// Records that were ever taken; the place of a record is how many were before it.
    private(set) var places = 0
    private(set) var memoryRecords = 0
    /// What waits in memory is charged for, in bytes: items by their weight, batches by their length.
    private(set) var memoryBytes = 0
    private(set) var inbox: [Item] = []
    private var inboxBytes = 0
    /// The place of the oldest record that is just being encoded.
    private var encodingFrom: Int?
    private(set) var batches = CircularBuffer<Batch>()
    var spooled = Spool.Extent()
    var gatherer = Gatherer.working
    /// No more records are taken.
    var isClosed = false
    /// Nothing is sent any more.
    private(set) var isEnded = false
    var flushes: [Int: Flush] = [:]
    var flushCount = 0
    var failures = 0
    var retryAt: ContinuousClock.Instant?
    /// By `Retry-After`; a flush waits for it too.
    var isToldToWait = false

    var isEmpty: Bool { batches.isEmpty && spooled.isEmpty }

    /// All records before this place have met their end.
    var settledBefore: Int {
        let oldest = [batches.first?.firstPlace, spooled.firstPlace, encodingFrom].compactMap { $0 }.min()
        return oldest ?? places - inbox.count
    }

    var statistics: Statistics {
        var statistics = counts
        statistics.queued = memoryRecords + spooled.records
        return statistics
    }

    /// Takes a record, unless as many or as much wait in memory as may.
    mutating func take(_ item: Item, maxRecords: Int, maxBytes: Int) -> Outcome {
        let bytes = item.weight
        counts.recorded += 1
        let isFull = memoryRecords >= maxRecords || memoryBytes + bytes > maxBytes
        if isClosed || isFull {
            counts.dropped += 1
            return isClosed ? .closed : .full
        }
        places += 1
        memoryRecords += 1
        memoryBytes += bytes
        inboxBytes += bytes
        inbox.append(item)
        let isAsleep = gatherer == .asleep
        if isAsleep { gatherer = .working }
        return isAsleep || inbox.count == Batch.maxRecords ? .wakes : .taken
    }

    /// Empties the inbox, to be encoded; `keep` ends that.
    mutating func beginEncoding() -> (items: [Item], weight: Int, firstPlace: Int) {
        let firstPlace = places - inbox.count
        encodingFrom = inbox.isEmpty ? nil : firstPlace
        defer { (inbox, inboxBytes) = ([], 0) }
        return (inbox, inboxBytes, firstPlace)
    }

    /// Keeps in memory what has been encoded, but for what the spool has, or had no room for.
    ///
    /// - `weight`: what the items were charged for.
    mutating func keep(_ kept: [Batch], weight: Int, stored: Int = 0, dropped: Int = 0) {
        encodingFrom = nil
        // Else its records are counted as dropped already.
        guard !isEnded else { return }
        batches.append(contentsOf: kept)
        memoryBytes += kept.reduce(-weight) { $0 + $1.body.count }
        memoryRecords -= stored + dropped
        counts.dropped += dropped
    }

    /// Takes the oldest batch in memory out.
    mutating func removeFirst() {
        guard let batch = batches.popFirst() else { return }
        memoryRecords -= batch.records
        memoryBytes -= batch.body.count
    }

    /// Puts two halves into the place of the oldest batch in memory.
    mutating func splitFirst() {
        guard let (first, second) = batches.popFirst()?.halves() else { return }
        batches.prepend(second)
        batches.prepend(first)
    }

    /// Takes out the flushes that have nothing left to wait for.
    mutating func finishedFlushes() -> [Flush] {
        if flushes.isEmpty { return [] }
        let settled = settledBefore
        let finished = flushes.filter { $0.value.target <= settled }
        for id in finished.keys { flushes[id] = nil }
        return Array(finished.values)
    }

    /// Drops and counts what is in memory, and takes out all flushes.
    mutating func end() -> (lost: Int, flushes: [Flush]) {
        let lost = memoryRecords
        (isClosed, isEnded) = (true, true)
        (memoryRecords, memoryBytes, inboxBytes) = (0, 0, 0)
        counts.dropped += lost
        (inbox, batches) = ([], CircularBuffer())
        defer { flushes = [:] }
        return (lost, Array(flushes.values))
    }
}
