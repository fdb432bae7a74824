private import Glibc
internal import Model

extension StorageFolder {
    /// Reads the state of a folder whose lock the caller holds. Leaves every file as it is, and makes none.
    func read(eachIDRow: (IDRow) -> Void) throws(StoreError) -> StoredState {
        let connection = try openAlone()
        defer { connection.close() }
        let stored = try StoredState(connection, eachIDRow: eachIDRow)
        if let acknowledged = BatchNote.read(self) { try compare(acknowledged, with: stored.head) }
        return stored
    }

    /// - Throws: `damaged` if the database ends before the last batch that was acknowledged.
    func compare(_ acknowledged: Int64, with head: Head) throws(StoreError) {
        guard acknowledged > head.batch else { return }
        throw StoreError(
            .damaged,
            "it ends with batch \(head.batch), but batch \(acknowledged) was acknowledged (\(note)): "
                + "the WAL is damaged, missing, or not the last one "
                + "(\(wal); put the right one in its place, or remove one that came from elsewhere), "
                + "or this is an older copy, with which \(note) must go, too")
    }

    /// For a folder that no exporter uses.
    func openAlone() throws(StoreError) -> Connection {
        try checkHeader()
        return try Connection(database, try Files.kind(of: wal) == .missing ? .readingClosed : .readingAlone)
    }

    /// For a folder whose database an exporter writes.
    ///
    /// - Returns: `nil` if the exporter's files are missing, as it is about to start or to stop: SQLite would make
    ///   them.
    func openBeside() throws(StoreError) -> Connection? {
        guard try Files.identity(of: wal) != nil, try Files.identity(of: shm) != nil else { return nil }
        try checkHeader()
        let connection = try Connection(database, .readingBeside)
        // Opens the WAL: from now on the exporter leaves it where it is.
        _ = try connection.value("PRAGMA schema_version")
        return connection
    }

    /// SQLite takes an empty file for a new database, and removes the WAL beside it.
    ///
    /// - Throws: `damaged` if the file does not begin as a database (SQLite, "Database File Format", section 1.3),
    ///   `failed` if it cannot be read.
    func checkHeader() throws(StoreError) {
        let beginning: String
        do throws(StoreError) {
            beginning = try Files.beginning(of: database, bytes: 16)
        } catch {
            throw StoreError(error.kind, "\(error.description); this user must be able to read it")
        }
        guard beginning == "SQLite format 3\0", Files.size(of: database) >= 512 else {
            throw StoreError(.damaged, "it does not begin as a database")
        }
    }
}
