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
