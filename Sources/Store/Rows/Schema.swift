internal import Model

/// The tables, and the steps from each version of them to the next.
///
/// One row a series, in columns that a person can read with the sqlite3 shell; all tables are found by number alone, as an
/// index could disagree with its table. STRICT: a value of another type would not have been written by us.
enum Schema {
    /// "LLMx": tells the file from any other database (SQLite, "PRAGMA application_id").
    static let applicationID: Int64 = 0x4C4C_4D78

    /// `migrations[n]` leads from version n to version n + 1; a new database takes them all.
    private static let migrations = [
        """
        CREATE TABLE head (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, batch INTEGER NOT NULL, digest INTEGER NOT NULL,
            bounds_us TEXT NOT NULL, memory_available_mb REAL
        ) STRICT;
        CREATE TABLE call_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, provider TEXT NOT NULL,
            model TEXT NOT NULL, calls TEXT NOT NULL, tokens INTEGER NOT NULL, input_tokens INTEGER,
            cache_read_tokens INTEGER, cache_write_tokens INTEGER, output_tokens INTEGER, reasoning_tokens INTEGER,
            cost_usd INTEGER, cost_pico_usd INTEGER, usage_missing INTEGER NOT NULL, errors TEXT NOT NULL,
            last_input_tokens INTEGER, last_output_tokens INTEGER, latency_buckets TEXT, latency_count INTEGER,
            latency_sum_us INTEGER, latency_exemplars TEXT
        ) STRICT;
        CREATE TABLE endpoint_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, provider TEXT NOT NULL,
            api_latency_buckets TEXT, api_latency_count INTEGER, api_latency_sum_us INTEGER, api_latency_exemplars TEXT
        ) STRICT;
        CREATE TABLE offering_series (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
            unpriced_calls INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE agents (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, memory_rss_mb REAL,
            reports_active_calls INTEGER NOT NULL, expired_calls INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE open_calls (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, call_digest BLOB NOT NULL, agent_name TEXT NOT NULL,
            begun_ms INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE ids (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, at_ms INTEGER NOT NULL, digests BLOB NOT NULL
        ) STRICT;
        """,
        """
        CREATE TABLE budgets (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, name TEXT NOT NULL, agent_name TEXT, provider TEXT,
            model TEXT, limit_usd INTEGER NOT NULL, limit_pico_usd INTEGER NOT NULL, period TEXT NOT NULL,
            window_ms INTEGER NOT NULL, spent_usd INTEGER NOT NULL, spent_pico_usd INTEGER NOT NULL,
            unpriced_calls INTEGER NOT NULL
        ) STRICT;
        """,
    ]

    static var version: Int64 { Int64(migrations.count) }

    /// The version from which on there is a table of budgets.
    static let firstWithBudgets: Int64 = 2

    /// Brings a database from `version` to the present one, within the transaction that the caller has begun.
    static func migrate(_ connection: Connection, from version: Int64) throws(StoreError) {
        for step in migrations[Int(version)...] { try connection.execute(step) }
        try connection.execute("PRAGMA application_id=\(applicationID); PRAGMA user_version=\(Self.version)")
    }

    /// Makes an empty database, with a head that no batch has rewritten.
    static func create(_ connection: Connection, bounds: HistogramBounds) throws(StoreError) {
        try connection.execute("BEGIN IMMEDIATE")
        try migrate(connection, from: 0)
        try connection.execute("COMMIT")
        try TableWriter<Head>(connection).put(Head(batch: 0, digest: 0, bounds: bounds))
        // Said in the file itself, for whoever opens it.
        try connection.execute("PRAGMA journal_mode=WAL")
    }
}

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

/// Reads the rows of one table, each checked.
struct TableReader<Content: Row> {
    private let connection: Connection
    /// The sum of the checksums read, modulo 2^64.
    private(set) var digest: UInt64 = 0

    init(_ connection: Connection) {
        self.connection = connection
    }

    /// Calls `body` with each row and its checksum, in the order of their numbers.
    mutating func forEach(_ body: (Content, UInt64) throws(StoreError) -> Void) throws(StoreError) {
        let columns = ["number", "checksum"] + Content.columns
        let statement = try connection.prepare(
            "SELECT \(columns.joined(separator: ", ")) FROM \(Content.table) ORDER BY number")
        defer { statement.reset() }
        while try statement.step() {
            guard case .integer(let number) = statement.value(0), case .integer(let stored) = statement.value(1) else {
                throw StoreError(.damaged, "table \(Content.table): a row without a number")
            }
            let values = (2..<columns.count).map { statement.value($0) }
            let checksum = Content.checksum(number: number, values: values)
            guard checksum == UInt64(bitPattern: stored) else {
                throw StoreError(
                    .damaged, "table \(Content.table), row \(number): the checksum does not fit the values")
            }
            digest &+= checksum
            let row: Content
            do throws(StoreError) {
                row = try Content(number: number, values: values)
            } catch {
                throw StoreError(.damaged, "table \(Content.table), row \(number): \(error.description)")
            }
            try body(row, checksum)
        }
    }
}
