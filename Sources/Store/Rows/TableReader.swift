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
        let present = try Content.presentColumns(connection)
        let columns = ["number", "checksum"] + Content.columns.map { present.contains($0) ? $0 : "NULL" }
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

extension Row {
    /// The columns that its table has: an earlier version of the schema may lack some.
    static func presentColumns(_ connection: Connection) throws(StoreError) -> Set<String> {
        let statement = try connection.prepare("SELECT name FROM pragma_table_info('\(table)')")
        defer { statement.reset() }
        var columns: Set<String> = []
        while try statement.step() {
            if case .text(let name) = statement.value(0) { columns.insert(name) }
        }
        return columns
    }
}
