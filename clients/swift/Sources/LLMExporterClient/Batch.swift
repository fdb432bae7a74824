/// Records of one agent that travel in one request. What is sent again is these bytes, ids and all.
struct Batch: Sendable {
    static let maxRecords = 500
    static let maxBytes = 256 << 10
    private static let lineFeed = UInt8(ascii: "\n")

    let agentName: String
    /// NDJSON.
    private(set) var body: [UInt8] = []
    private(set) var records = 0
    let created: ContinuousClock.Instant
    /// The place, among all records of the monitor, of the oldest that was batched in the same turn; nil where a
    /// process that died left it behind.
    let firstPlace: Int?
    /// Whether it lies in the spool rather than in memory.
    var isStored = false

    init(agentName: String, firstPlace: Int?, created: ContinuousClock.Instant) {
        self.agentName = agentName
        self.firstPlace = firstPlace
        self.created = created
    }

    /// - `body`: lines, each with its line feed.
    init(agentName: String, body: [UInt8], firstPlace: Int?, created: ContinuousClock.Instant) {
        self.init(agentName: agentName, firstPlace: firstPlace, created: created)
        self.body = body
        records = body.count { $0 == Self.lineFeed }
    }

    /// Adds a line, where there is room for it. The first always fits.
    mutating func append(_ line: [UInt8]) -> Bool {
        if records > 0, records >= Self.maxRecords || body.count + line.count > Self.maxBytes { return false }
        body += line
        records += 1
        return true
    }

    /// Two batches of the same records, for an exporter that takes only shorter bodies.
    func halves() -> (Batch, Batch) {
        var (first, second) = (self, self)
        (first.body, second.body) = ([], [])
        (first.records, second.records) = (records / 2, records - records / 2)
        var lines = 0
        for byte in body {
            if lines < first.records { first.body.append(byte) } else { second.body.append(byte) }
            if byte == Self.lineFeed { lines += 1 }
        }
        return (first, second)
    }

    /// What still counts of a process that died: its calls are no longer active.
    func withoutStarts() -> Batch {
        let lines = body.split(separator: Self.lineFeed).filter { !$0.starts(with: RecordLine.startPrefix) }
        var batch = self
        batch.body = lines.flatMap { $0 + [Self.lineFeed] }
        batch.records = lines.count
        return batch
    }
}
