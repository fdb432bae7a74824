import Store

/// The requests that threads leave for the ledger's queue, and the queue's condition for them to see.
struct Mailbox: Sendable {
    var requests: [Request] = []
    /// Apart from the requests: they are answered from the state before while the disk works.
    var scrapes: [Scrape] = []
    var isScheduled = false
    /// Bytes of the submissions that wait, and of those in the batch that is being committed.
    var waitingBytes = 0
    /// The state before, while the disk or a long batch keeps the queue.
    var standing: LedgerSnapshot?
    /// Scrapes of the batch that is being committed: they wait for its end, unless the disk is slow.
    var held: [Scrape] = []
    var diskWorkBegan: ContinuousClock.Instant?
    var trouble: StoreError?
    /// Whether an undecided commit keeps all others from being tried.
    var isBlocked = false
    var isClosed = false

    typealias Scrape = @Sendable (LedgerSnapshot) -> Void

    var isEmpty: Bool { requests.isEmpty && scrapes.isEmpty }

    func isStalled(_ patience: Duration) -> Bool {
        diskWorkBegan.map { .now - $0 > patience } ?? false
    }

    /// All requests but the submissions that would make the batch so large that the others wait for it.
    mutating func takeRequests() -> [Request] {
        guard Self.isLong(requests) else { return requests.taken() }
        var batch: [Request] = []
        var rest: [Request] = []
        var events = 0
        for request in requests {
            guard case .submission = request else {
                batch.append(request)
                continue
            }
            if rest.isEmpty, events == 0 || events + request.eventCount <= Self.batchLimit {
                events += request.eventCount
                batch.append(request)
            } else {
                rest.append(request)
            }
        }
        requests = rest
        return batch
    }

    /// The submissions alone, whose bytes wait no longer.
    mutating func takeSubmissions() -> [Submission] {
        var submissions: [Submission] = []
        requests.removeAll { request in
            guard case .submission(let submission) = request else { return false }
            submissions.append(submission)
            waitingBytes -= submission.cost
            return true
        }
        return submissions
    }

    /// Whether there are more events than a batch of several submissions has.
    static func isLong(_ requests: [Request]) -> Bool {
        requests.reduce(0) { $0 + $1.eventCount } > batchLimit
    }

    /// Events in a batch of several submissions.
    private static let batchLimit = 16_384
}

extension Array {
    /// The elements, which are in the array no longer.
    mutating func taken() -> Self {
        defer { self = [] }
        return self
    }
}
