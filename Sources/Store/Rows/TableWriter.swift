/// Writes and removes the rows of one table.
struct TableWriter<Content: Row> {
    private let insertion: Statement
    private let removal: Statement

    init(_ connection: Connection) throws(StoreError) {
        let columns = ["number", "checksum"] + Content.columns
        let places = columns.map { _ in "?" }.joined(separator: ", ")
        insertion = try connection.prepare(
            "INSERT OR REPLACE INTO \(Content.table) (\(columns.joined(separator: ", "))) VALUES (\(places))")
        removal = try connection.prepare("DELETE FROM \(Content.table) WHERE number = ?")
    }

    /// - Returns: the checksum that was written.
    @discardableResult
    func put(_ row: Content) throws(StoreError) -> UInt64 {
        let values = row.values
        let checksum = Content.checksum(number: row.number, values: values)
        try put(number: row.number, values: values, checksum: checksum)
        return checksum
    }

    func put(number: Int64, values: [Value], checksum: UInt64) throws(StoreError) {
        try insertion.bind(.integer(number), at: 1)
        try insertion.bind(.integer(Int64(bitPattern: checksum)), at: 2)
        for (place, value) in values.enumerated() { try insertion.bind(value, at: place + 3) }
        try insertion.run()
    }

    func remove(number: Int64) throws(StoreError) {
        try removal.run(.integer(number))
    }
}
