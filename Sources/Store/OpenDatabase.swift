internal import Model

/// A connection that writes, and the files that it has open.
final class OpenDatabase {
    let connection: Connection
    private let database: Files.Identity
    private let wal: Files.Identity
    /// The index of the WAL.
    private let shm: Files.Identity

    init(_ folder: StorageFolder) throws(StoreError) {
        try folder.checkHeader()
        connection = try Connection(folder.database, .writing)
        guard try connection.value("PRAGMA journal_mode=WAL") == .text("wal") else {
            throw StoreError(.failed, "cannot use write-ahead logging in this folder")
        }
        // Reading opens the WAL, so that it is there to be identified.
        _ = try connection.value("SELECT batch FROM head")
        // SQLite goes on if the folder cannot be synced: a power failure would then take the whole WAL.
        try Files.sync(folder: folder.path)
        guard let database = try Files.identity(of: folder.database), let wal = try Files.identity(of: folder.wal),
            let shm = try Files.identity(of: folder.shm), Files.size(of: folder.wal) >= (try connection.walEnd())
        else {
            throw StoreError(
                .failed, "its WAL was removed or replaced while another program has it open; end that program")
        }
        self.database = database
        self.wal = wal
        self.shm = shm
    }

    func batch() throws(StoreError) -> Int64? {
        guard case .integer(let batch) = try connection.value("SELECT batch FROM head") else { return nil }
        return batch
    }

    /// Brings it from an earlier version of the schema to this one, in one transaction.
    func migrate(_ folder: StorageFolder, _ lock: FolderLock, from version: Int64) throws(StoreError) {
        try writing(folder, lock) { () throws(StoreError) in
            try Schema.migrate(connection, from: version)
            try connection.execute("COMMIT")
        }
    }

    /// Begins to write.
    ///
    /// - Throws: if another program writes, or may own the folder. The files are checked within the transaction: a
    ///   program that takes the folder waits for its end.
    func begin(_ folder: StorageFolder, _ lock: FolderLock?) throws(StoreError) {
        try connection.execute("BEGIN IMMEDIATE")
        try checkFiles(folder, lock)
    }

    /// Changes the files while no other program writes them, and takes back what `body` does not commit.
    func writing(_ folder: StorageFolder, _ lock: FolderLock?, _ body: () throws(StoreError) -> Void)
        throws(StoreError)
    {
        defer { connection.rollBack() }
        try begin(folder, lock)
        try body()
    }

    func rewriteWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.rewrite(folder.wal, wal)
    }

    /// Removes everything in the WAL that is no commit.
    func cutWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.cut(folder.wal, wal, at: connection.walEnd())
    }

    /// - Throws: `failed` if a file is no longer the one that was opened.
    func checkFiles(_ folder: StorageFolder, _ lock: FolderLock?) throws(StoreError) {
        guard let lock else { throw StoreError(.failed, "it is closed") }
        try lock.check(folder)
        for (path, identity) in [(folder.database, database), (folder.wal, wal), (folder.shm, shm)]
        where try Files.identity(of: path) != identity {
            throw StoreError(
                .failed,
                "\(path) was moved, removed or replaced while the exporter ran; put the one back that was there")
        }
    }

    func isInPlace(_ folder: StorageFolder) -> Bool {
        (try? Files.identity(of: folder.database)) == database
    }

    /// Whether there is no foreign WAL, which would be read over the database.
    func mayBeginNewWAL(_ folder: StorageFolder) throws(StoreError) -> Bool {
        switch try Files.kind(of: folder.wal) {
        case .missing: true
        case .file(let identity, let bytes): identity == wal || bytes == 0
        case .folder, .other: false
        }
    }
}
