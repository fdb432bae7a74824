internal import Model

/// The changes of one transaction to the store's knowledge of its rows.
struct Change {
    var head: Head
    var ids: IDLog
    /// The checksums of the rows that were written; `nil` for those that were removed.
    var checksums: [(table: String, number: Int64, checksum: UInt64?)] = []
}

extension Store {
    /// Writes a row, unless the table has it with these values.
    func put<Content: Row>(_ row: Content, _ writer: TableWriter<Content>, _ change: inout Change)
        throws(StoreError)
    {
        let values = row.values
        let checksum = Content.checksum(number: row.number, values: values)
        let known = checksums[Content.table]?[row.number]
        guard checksum != known else { return }
        try writer.put(number: row.number, values: values, checksum: checksum)
        change.head.digest &+= checksum &- (known ?? 0)
        change.checksums.append((Content.table, row.number, checksum))
    }

    func remove<Content: Row>(_ number: Int64, _ writer: TableWriter<Content>, _ change: inout Change)
        throws(StoreError)
    {
        guard let known = checksums[Content.table]?[number] else { return }
        try writer.remove(number: number)
        change.head.digest &-= known
        change.checksums.append((Content.table, number, nil))
    }

    /// Makes `rows` the rows of a table.
    func replace<Content: Row>(
        _ rows: some Sequence<Content>, _ writer: TableWriter<Content>, _ change: inout Change
    ) throws(StoreError) {
        let numbers = Set(rows.map(\.number))
        for number in checksums[Content.table, default: [:]].keys where !numbers.contains(number) {
            try remove(number, writer, &change)
        }
        for row in rows { try put(row, writer, &change) }
    }
}
