internal import Model

/// The ids that one commit remembers, or a part of them.
///
/// Appended, and deleted from the front: a row for an id, found by its digest, would write a page for each.
struct IDRow: Row {
    static var table: String { "ids" }
    static var columns: [String] { ["at_ms", "digests"] }

    let number: Int64
    let at: Instant
    /// 24 bytes an id: 16 of its key, 8 of its content.
    let digests: [UInt8]

    static let bytesPerID = 24
    /// Ids in a row at most: what is deleted at once must not hold up a batch.
    static let capacity = 4096

    init(number: Int64, at: Instant, ids: ArraySlice<RememberedID>) {
        self.number = number
        self.at = at
        var digests: [UInt8] = []
        digests.reserveCapacity(ids.count * Self.bytesPerID)
        for id in ids {
            for shift in stride(from: 120, through: 0, by: -8) {
                digests.append(UInt8(truncatingIfNeeded: id.key.bits >> UInt128(shift)))
            }
            for shift in stride(from: 56, through: 0, by: -8) {
                digests.append(UInt8(truncatingIfNeeded: id.content >> UInt64(shift)))
            }
        }
        self.digests = digests
    }

    var values: [Value] { [.integer(at.unixMilliseconds), .bytes(digests)] }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        self.number = number
        at = Instant(unixMilliseconds: try reader.integer())
        digests = try reader.bytes()
        guard !digests.isEmpty, digests.count.isMultiple(of: Self.bytesPerID) else {
            throw StoreError(.damaged, "not a row of ids")
        }
    }

    var count: Int { digests.count / Self.bytesPerID }

    func forEach(_ body: (RememberedID) -> Void) {
        // Safe: each read ends within the bytes, whose count is a multiple of an id's.
        unsafe digests.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: Self.bytesPerID) {
                let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
                let content = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start + 16, as: UInt64.self))
                body(RememberedID(key: Digest(bits: UInt128(high) << 64 | UInt128(low)), content: content))
            }
        }
    }
}

/// What is known of the stored ids without reading them.
struct IDLog {
    /// All that are stored, those whose time is over included.
    private(set) var count = 0
    private var nextRow: Int64 = 1
    /// Rows that the present commit has added.
    private var rowsAdded = 0

    /// Rows deleted by one commit, beside as many as it adds.
    private static let pruneStep = 2

    mutating func add(_ row: IDRow) {
        count += row.count
        nextRow = row.number + 1
    }

    /// - Returns: what the rows add to the digest.
    mutating func append(_ added: [RememberedID], at now: Instant, to table: IDTable) throws(StoreError) -> UInt64 {
        var digest: UInt64 = 0
        rowsAdded = 0
        for start in stride(from: 0, to: added.count, by: IDRow.capacity) {
            let row = IDRow(
                number: nextRow, at: now, ids: added[start..<min(start + IDRow.capacity, added.count)])
            digest &+= try table.writer.put(row)
            add(row)
            rowsAdded += 1
        }
        return digest
    }

    /// Deletes rows from the front that hold none of the last `kept` ids, few at a time.
    ///
    /// - Returns: what the rows were in the digest.
    mutating func prune(keeping kept: Int, in table: IDTable) throws(StoreError) -> UInt64 {
        var digest: UInt64 = 0
        for _ in 0..<(rowsAdded + Self.pruneStep) {
            guard count > kept, let first = try table.first(), count - first.count >= kept else { break }
            try table.writer.remove(number: first.number)
            digest &+= first.checksum
            count -= first.count
        }
        return digest
    }
}

/// The table of ids, as a commit uses it.
struct IDTable {
    let writer: TableWriter<IDRow>
    private let front: Statement

    init(_ connection: Connection) throws(StoreError) {
        writer = try TableWriter(connection)
        front = try connection.prepare(
            "SELECT number, checksum, length(digests) FROM ids ORDER BY number LIMIT 1")
    }

    /// The oldest row, without its ids.
    func first() throws(StoreError) -> (number: Int64, checksum: UInt64, count: Int)? {
        defer { front.reset() }
        guard try front.step(), case .integer(let number) = front.value(0),
            case .integer(let checksum) = front.value(1),
            case .integer(let bytes) = front.value(2)
        else { return nil }
        return (number, UInt64(bitPattern: checksum), Int(bytes) / IDRow.bytesPerID)
    }
}
