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

    /// - Throws: `damaged` where the database ends before the last batch that was acknowledged.
    func compare(_ acknowledged: Int64, with head: Head) throws(StoreError) {
        guard acknowledged > head.batch else { return }
        throw StoreError(
            .damaged,
            "it ends with batch \(head.batch), but batch \(acknowledged) was acknowledged (\(note)): the WAL is damaged, missing, or not the last one (\(wal); put the right one in its place, or remove one that came from elsewhere), or this is an older copy, with which \(note) must go, too"
        )
    }

    /// For a folder that no exporter uses.
    func openAlone() throws(StoreError) -> Connection {
        try checkHeader()
        return try Connection(database, try Files.kind(of: wal) == .missing ? .readingClosed : .readingAlone)
    }

    /// Beside the exporter that writes it.
    ///
    /// - Returns: `nil` where its files are not there, as it is about to start or to stop: SQLite would make those that are
    ///   missing.
    func openBeside() throws(StoreError) -> Connection? {
        guard try Files.identity(of: wal) != nil, try Files.identity(of: shm) != nil else { return nil }
        try checkHeader()
        let connection = try Connection(database, .readingBeside)
        // Opens the WAL: from here on the exporter leaves it where it is.
        _ = try connection.value("PRAGMA schema_version")
        return connection
    }

    /// - Throws: `damaged` where the file does not begin as a database (SQLite, "Database File Format", section 1.3), `failed`
    ///   where it cannot be read, which says nothing of what it holds.
    ///
    /// SQLite takes an empty file for a new database, and removes the WAL beside it.
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

extension StoreError {
    /// The same error, as the operator needs it: with the file, and what to do.
    func naming(_ database: String) -> StoreError {
        switch kind {
        case .damaged:
            StoreError(
                kind,
                "\(database) is damaged, and was left as it is: \(description). Keep a copy of the folder; then restore a backup into an empty folder, or begin anew with another --storage.path"
            )
        case .full, .failed: StoreError(kind, "cannot use \(database): \(description)")
        case .inUse, .boundsChanged: self
        }
    }
}
