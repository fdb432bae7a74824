internal import Model

/// The stored ids, as far as they are known without reading them.
struct IDLog {
    /// All that are stored, including those whose time is over.
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

    /// - Returns: the sum that the rows add to the digest.
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
    /// - Returns: the sum of the rows in the digest.
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
