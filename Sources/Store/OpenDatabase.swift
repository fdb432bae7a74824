private import Glibc
internal import Model

/// A connection that writes, and the files that it has open.
final class OpenDatabase {
    let connection: Connection
    private let database: Files.Identity
    private let wal: Files.Identity
    private let walFile: Files.Reading
    /// The index of the WAL.
    private let shm: Files.Identity
    /// The files as they were after the last write of this connection; `nil` if that is not known.
    private var footprint: Footprint?
    /// The frames of the WAL that were read back.
    private var verified = WAL()
    /// The files as they were when they no longer held what was committed, and why.
    private var damage: (footprint: Footprint, error: StoreError)?

    /// Shows whether the files were written. A reader changes none of it.
    private struct Footprint: Equatable {
        var database: Files.Stamp
        var wal: Files.Stamp
        /// As its index has it.
        var frames: WAL
    }

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
            let shm = try Files.identity(of: folder.shm), Files.size(of: folder.wal) >= (try connection.wal().end)
        else {
            throw StoreError(
                .failed, "its WAL was removed or replaced while another program has it open; end that program")
        }
        self.database = database
        self.wal = wal
        self.shm = shm
        walFile = try Files.Reading(folder.wal, wal)
        footprint = present(folder)
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
        noteWAL(folder)
    }

    func rewriteWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.rewrite(folder.wal, wal)
    }

    /// Removes everything in the WAL that is no commit.
    func cutWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.cut(folder.wal, wal, at: connection.wal().end)
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

    // MARK: Writes of others

    private func present(_ folder: StorageFolder) -> Footprint? {
        guard let database = Files.stamp(of: folder.database), let wal = Files.stamp(of: folder.wal),
            let frames = try? connection.wal()
        else { return nil }
        return Footprint(database: database, wal: wal, frames: frames)
    }

    /// Notes the WAL as this connection has written it.
    ///
    /// If another program wrote to it since the check before the commit, a truncation and another header are seen here;
    /// other bytes when the WAL is read back.
    func noteWAL(_ folder: StorageFolder) {
        guard let wal = Files.mark(folder.wal), let frames = try? connection.wal(), wal.bytes >= frames.end,
            hasBeginning(of: frames)
        else {
            footprint = nil
            return
        }
        footprint?.wal = wal
        footprint?.frames = frames
    }

    /// Checks that the files hold what this connection has committed, which is `head`.
    ///
    /// Another program may write into a file that stays in its place: a restored copy, an editor, a truncation. If the
    /// stamps of the files are those of the last write, none did. Else they are read like a start reads them: `touch`,
    /// or a checkpoint from SQLite's shell, changes stamps and does no harm.
    ///
    /// - Throws: `damaged` if a start would not find all that was committed.
    func checkContent(_ folder: StorageFolder, _ head: Head) throws(StoreError) {
        guard let present = present(folder) else {
            throw StoreError(.failed, "cannot look at \(folder.database) and \(folder.wal)")
        }
        guard present != footprint else { return }
        if let damage, damage.footprint == present { throw damage.error }
        do throws(StoreError) {
            try read(folder, present, head)
        } catch {
            guard error.kind == .damaged else { throw error }
            let named = StoreError(
                .damaged,
                "\(folder.database) was changed by another program while the exporter ran, and no longer holds all "
                    + "that was counted: \(error.description). Read the totals at /metrics or /summary, stop the "
                    + "exporter, keep a copy of the folder, and start it again; if it refuses, restore a backup")
            damage = (present, named)
            throw named
        }
        footprint = present
    }

    /// Reads the files like a start after a crash.
    private func read(_ folder: StorageFolder, _ present: Footprint, _ head: Head) throws(StoreError) {
        // SQLite removes the WAL beside an empty database.
        guard present.database.bytes >= 512 else { throw StoreError(.damaged, "it was truncated") }
        verified = WAL()
        try readBack(folder, present.frames)
        // A connection of its own: the other has pages in memory.
        let reader = try Connection(folder.database, .readingBeside)
        defer { reader.close() }
        let stored = try StoredState(reader) { _ in }
        guard stored.head == head else {
            throw StoreError(
                .damaged, "it ends with batch \(stored.head.batch), and batch \(head.batch) was acknowledged")
        }
    }

    /// Whether the WAL has the header of these frames.
    private func hasBeginning(of frames: WAL) -> Bool {
        var known = frames
        return (try? connection.hasWhole(frames, in: walFile.descriptor, after: &known)) == true
    }

    private func readBack(_ folder: StorageFolder, _ frames: WAL) throws(StoreError) {
        guard let isWhole = try connection.hasWhole(frames, in: walFile.descriptor, after: &verified) else {
            throw .system("cannot read \(folder.wal)", errno: errno)
        }
        guard isWhole else {
            throw StoreError(.damaged, "\(folder.wal), or its index (-shm), does not have the frames that were written")
        }
    }

    /// Reads the WAL back, as far as that was not done before.
    ///
    /// - Returns: whether it may be written into the database; false if a file was changed, so that `checkContent` must
    ///   come first.
    /// - Throws: `damaged` if a start would not find all that was committed.
    func readBack(_ folder: StorageFolder) throws(StoreError) -> Bool {
        guard let footprint, present(folder) == footprint else { return false }
        do throws(StoreError) {
            try readBack(folder, footprint.frames)
        } catch {
            self.footprint = nil
            throw error
        }
        return true
    }

    /// Writes what the WAL holds into the database, if no other program has written to either.
    ///
    /// - Returns: how many pages stay behind, for a reader.
    func checkpoint(_ folder: StorageFolder) throws(StoreError) -> Int {
        guard try readBack(folder) else { return 0 }
        // After an error, too, some of it may be written.
        defer {
            if let stamp = Files.mark(folder.database) { footprint?.database = stamp } else { footprint = nil }
        }
        return try connection.checkpoint()
    }
}
