internal import Model

/// The tables, and the steps from each version of them to the next.
///
/// One row a series, in columns that a person can read with the sqlite3 shell; all tables are found by number alone, as
/// an index could disagree with its table. STRICT: the exporter writes no value of another type.
enum Schema {
    /// "LLMx": distinguishes the file from other databases (SQLite, "PRAGMA application_id").
    static let applicationID: Int64 = 0x4C4C_4D78

    private static var tables: [any Row.Type] {
        [
            Head.self, CallSeries.self, EndpointSeries.self, OfferingSeries.self, AgentSeries.self, OpenCall.self,
            IDRow.self, BudgetAccount.self,
        ]
    }

    static let version = tables.flatMap { Array($0.schema.keys) }.max() ?? 0

    /// Whether a database of `version` has a table.
    static func has(_ table: any Row.Type, at version: Int64) -> Bool {
        table.schema.keys.contains { $0 <= version }
    }

    /// - Throws: `damaged` if a table lacks a column that its version has, or has all columns of a later one. Its rows
    ///   may not show that: what is missing reads as NULL.
    static func checkColumns(_ connection: Connection, at version: Int64) throws(StoreError) {
        for table in tables {
            let missing = Set(table.columns).subtracting(try table.presentColumns(connection)).min()
            if table.schema.keys.contains(where: { $0 > version }) {
                guard missing == nil else { continue }
                throw StoreError(.damaged, "table \(table.table) is of a later version than \(version)")
            } else if let missing {
                throw StoreError(.damaged, "table \(table.table) has no column \(missing)")
            }
        }
    }

    /// Brings a database from `version` to the present one, within the transaction that the caller has begun.
    static func migrate(_ connection: Connection, from version: Int64) throws(StoreError) {
        for step in stride(from: version + 1, through: Self.version, by: 1) {
            for table in tables {
                if let sql = table.schema[step] { try connection.execute(sql) }
            }
        }
        try connection.execute("PRAGMA application_id=\(applicationID); PRAGMA user_version=\(Self.version)")
    }

    /// Makes an empty database, with a head that no batch has rewritten.
    static func create(_ connection: Connection, bounds: HistogramBounds) throws(StoreError) {
        try connection.execute("BEGIN IMMEDIATE")
        try migrate(connection, from: 0)
        try connection.execute("COMMIT")
        try TableWriter<Head>(connection).put(Head(batch: 0, digest: 0, bounds: bounds))
        // Kept in the file itself, for every program that opens it.
        try connection.execute("PRAGMA journal_mode=WAL")
    }
}
