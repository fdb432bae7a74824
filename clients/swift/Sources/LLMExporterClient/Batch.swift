import NIOCore

/// Records of one agent that travel in one request. What is sent again is these bytes, ids and all.
struct Batch: Sendable {
    let agentName: String
    /// NDJSON, a record to each.
    private(set) var lines: [[UInt8]]
    /// Lengths of the lines, in bytes.
    private(set) var bytes: Int
    /// The place, among all records of the monitor, of the oldest that was batched in the same turn.
    let firstPlace: Int
    let created: ContinuousClock.Instant

    var records: Int { lines.count }

    init(agentName: String, firstPlace: Int, created: ContinuousClock.Instant) {
        self.agentName = agentName
        self.firstPlace = firstPlace
        self.created = created
        lines = []
        bytes = 0
    }

    mutating func append(_ line: [UInt8]) {
        lines.append(line)
        bytes += line.count
    }

    var body: ByteBuffer {
        var body = ByteBuffer()
        body.reserveCapacity(bytes)
        for line in lines { body.writeBytes(line) }
        return body
    }

    /// Two batches of the same records, for an exporter that takes only shorter bodies.
    func halves() -> (Batch, Batch) {
        var first = Batch(agentName: agentName, firstPlace: firstPlace, created: created)
        var second = first
        for (place, line) in lines.enumerated() {
            if place < lines.count / 2 { first.append(line) } else { second.append(line) }
        }
        return (first, second)
    }
}
