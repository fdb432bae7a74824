import Store

/// The requests that threads leave for the ledger's queue, and the queue's condition for them to see.
struct Mailbox: Sendable {
    var requests: [Request] = []
    /// Apart from the requests: they are answered from the state before while the disk works.
    var scrapes: [Scrape] = []
    var isScheduled = false
    /// The submissions that wait, and those in the batch that is being committed.
    var waiting = WaitingBytes()
    /// The state before, while the disk or a long batch keeps the queue.
    var standing: LedgerSnapshot?
    /// Scrapes of the batch that is being committed: they wait for its end, unless the disk is slow.
    var held: [Scrape] = []
    var diskWorkBegan: ContinuousClock.Instant?
    var trouble: StoreError?
    /// Whether an undecided commit keeps all others from being tried.
    var isBlocked = false
    /// Whether submissions are refused, as the ledger closes or is closed.
    var isClosing = false

    typealias Scrape = @Sendable (LedgerSnapshot) -> Void

    var isEmpty: Bool { requests.isEmpty && scrapes.isEmpty }

    func isStalled(_ patience: Duration) -> Bool {
        diskWorkBegan.map { .now - $0 > patience } ?? false
    }

    /// All requests but the submissions that would make the batch so large that the others wait for it. Clients take
    /// turns, so that a client with much to count does not hold up one with little.
    mutating func takeRequests() -> [Request] {
        guard Self.isLong(requests) else { return requests.taken() }
        var isTaken = requests.map(\.isInEveryBatch)
        for place in firstSubmissionsInTurn() { isTaken[place] = true }
        defer { requests = zip(requests, isTaken).filter { !$1 }.map(\.0) }
        return zip(requests, isTaken).filter { $1 }.map(\.0)
    }

    /// The places of the submissions of one batch: the first of each client, then the second of each, and so on.
    private func firstSubmissionsInTurn() -> [Int] {
        var places: [UInt64: [Int]] = [:]
        var clients: [UInt64] = []
        for (place, request) in requests.enumerated() {
            guard case .submission(let submission) = request else { continue }
            if places[submission.client] == nil { clients.append(submission.client) }
            places[submission.client, default: []].append(place)
        }
        var taken: [Int] = []
        var events = 0
        var round = 0
        while !clients.isEmpty {
            clients.removeAll { places[$0].map { $0.count <= round } ?? true }
            for client in clients {
                guard let place = places[client]?[round] else { continue }
                events += requests[place].eventCount
                if !taken.isEmpty, events > Self.batchLimit { return taken }
                taken.append(place)
            }
            round += 1
        }
        return taken
    }

    /// The submissions alone, whose bytes wait no longer.
    mutating func takeSubmissions() -> [Submission] {
        var submissions: [Submission] = []
        requests.removeAll { request in
            guard case .submission(let submission) = request else { return false }
            submissions.append(submission)
            waiting.remove(submission.cost, of: submission.client)
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
