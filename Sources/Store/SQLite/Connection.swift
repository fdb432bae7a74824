private import CSQLite

/// A connection to one database. Used by one thread at a time.
@safe final class Connection {
    // Safe: open from the end of `init` to `close`, after which it is nil. SQLite's functions get it as long as it is
    // open: `opened` throws afterwards, and the few calls that take it as it is do nothing with a null pointer.
    private var handle: OpaquePointer?
    private var statements: [Statement] = []
    /// Set by SQLite after each commit: pages in the WAL.
    // Safe: allocated with the connection, initialized at once, and deallocated after the connection is closed.
    private let pagesInWAL = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

    /// How a database is opened.
    enum Mode {
        /// For reading and writing; other processes only read.
        case writing
        /// For reading beside the process that writes it; creates no file.
        case readingBeside
        /// For reading while the caller makes sure that no process writes: recovers on its own, from the files alone.
        /// Takes no lock, so readers do not matter; keeps the index of the WAL in memory only; makes and changes no
        /// file. Closing it drops all locks that this process has on the database, so the process must not have it open
        /// elsewhere.
        case readingAlone
        /// For reading if there is no WAL and no process writes.
        case readingClosed
        /// A new file, written by no other process, without a WAL.
        case creating

        /// The query that is added to the path, which is a URI, and the flags to open it with.
        fileprivate var parameters: (query: String, flags: Int32) {
            switch self {
            case .writing: ("", SQLITE_OPEN_READWRITE)
            case .readingAlone: ("?mode=ro&vfs=unix-none", SQLITE_OPEN_READONLY)
            case .readingBeside: ("?mode=ro&readonly_shm=1", SQLITE_OPEN_READONLY)
            case .readingClosed: ("?mode=ro&immutable=1", SQLITE_OPEN_READONLY)
            case .creating: ("", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            }
        }
    }

    /// How long to wait for readers of another process.
    private static let patienceMilliseconds: Int32 = 2000

    init(_ path: String, _ mode: Mode) throws(StoreError) {
        unsafe pagesInWAL.initialize(to: 0)
        let (query, flags) = mode.parameters
        let code = unsafe sqlite3_open_v2(
            Self.uri(path) + query, &handle, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        do throws(StoreError) {
            try check(code)
            try configure(for: mode)
        } catch {
            close()
            throw error
        }
    }

    private func configure(for mode: Mode) throws(StoreError) {
        let handle = try unsafe opened()
        unsafe sqlite3_busy_timeout(handle, Self.patienceMilliseconds)
        unsafe csqlite_be_defensive(handle)
        // Without mmap: read errors of a mapped file end the process.
        try execute(
            "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF")
        switch mode {
        case .writing:
            // If a file cannot be opened for writing, SQLite opens it for reading and reports nothing.
            guard unsafe sqlite3_db_readonly(handle, "main") == 0 else {
                throw StoreError(sqlite: SQLITE_READONLY, nil)
            }
            try keepWALOnClose(true)
            unsafe countWALPages(handle)
            try execute("PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864")
        case .readingAlone:
            try keepWALOnClose(true)
            try execute("PRAGMA locking_mode=EXCLUSIVE")
        case .readingBeside, .readingClosed: try execute("PRAGMA query_only=ON")
        case .creating: try execute("PRAGMA synchronous=FULL; PRAGMA journal_mode=MEMORY")
        }
    }

    /// Replaces the hook by which SQLite checkpoints within a commit, while the batch's senders wait.
    private func countWALPages(_ handle: OpaquePointer) {
        // Safe: the pointer outlives the connection, and the hook writes the one number that it points to.
        unsafe sqlite3_wal_hook(
            handle,
            { pages, _, _, count in
                unsafe pages?.assumingMemoryBound(to: Int32.self).pointee = count
                return SQLITE_OK
            }, pagesInWAL)
    }

    deinit {
        close()
        unsafe pagesInWAL.deallocate()
    }

    /// Pages in the WAL after the last commit of this connection.
    var walPages: Int { unsafe Int(pagesInWAL.pointee) }

    /// Lets `close` leave the WAL as it is, or write it into the database and remove it.
    func keepWALOnClose(_ keeps: Bool) throws(StoreError) {
        try check(unsafe csqlite_keep_wal_on_close(opened(), keeps ? 1 : 0))
    }

    /// Runs statements and drops their rows.
    func execute(_ sql: String) throws(StoreError) {
        try check(unsafe sqlite3_exec(opened(), sql, nil, nil, nil))
    }

    /// - Returns: a statement that lives until the connection closes.
    func prepare(_ sql: String) throws(StoreError) -> Statement {
        let handle = try unsafe opened()
        var prepared: OpaquePointer?
        // Safe: SQLite reads the SQL to its final zero, and sets `prepared` to a statement of this connection.
        try check(unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
        guard let pointer = unsafe prepared else { throw StoreError(.failed, "an empty statement") }
        let statement = unsafe Statement(pointer, of: handle)
        statements.append(statement)
        return statement
    }

    /// The first column of the first row.
    func value(_ sql: String) throws(StoreError) -> Value {
        let statement = try prepare(sql)
        // An open statement would keep its transaction open.
        defer { statements.removeLast().finalize() }
        return try statement.step() ? statement.value(0) : .null
    }

    /// Writes what the WAL holds into the database, as far as no reader needs it there, so that the WAL can begin
    /// again.
    ///
    /// - Returns: how many pages stay behind, for a reader.
    func checkpoint() throws(StoreError) -> Int {
        var pages: Int32 = 0
        var written: Int32 = 0
        try check(unsafe sqlite3_wal_checkpoint_v2(opened(), nil, SQLITE_CHECKPOINT_PASSIVE, &pages, &written))
        return Int(max(0, pages - written))
    }

    /// The WAL up to its last commit; exact while this connection holds the write lock.
    func wal() throws(StoreError) -> WAL {
        var wal = csqlite_wal()
        try check(unsafe csqlite_wal_of(opened(), &wal))
        return WAL(frames: wal.frames, pageBytes: wal.page_size, salt: wal.salt, checksum: wal.checksum)
    }

    /// Whether the file of the WAL and its index have these frames, so that a recovery and a checkpoint find them all.
    ///
    /// - Parameter verified: frames of the same WAL that are not read again; becomes `wal` if the answer is yes.
    /// - Returns: `nil` and `errno` if the file cannot be read.
    func hasWhole(_ wal: WAL, in descriptor: Int32, after verified: inout WAL) throws(StoreError) -> Bool? {
        var expected = Self.frames(of: wal)
        var known = Self.frames(of: verified)
        // Safe: both live until the call returns, which keeps neither.
        let answer = try unsafe csqlite_wal_is_whole(opened(), descriptor, &expected, &known)
        guard answer >= 0 else { return nil }
        if answer == 1 { verified = wal }
        return answer == 1
    }

    private static func frames(of wal: WAL) -> csqlite_wal {
        csqlite_wal(frames: wal.frames, page_size: wal.pageBytes, salt: wal.salt, checksum: wal.checksum)
    }

    /// Ends the transaction, if one is open; nothing of it is in the database then.
    func rollBack() {
        guard let handle = unsafe handle, unsafe sqlite3_get_autocommit(handle) == 0 else { return }
        // The transaction ends even if this fails.
        try? execute("ROLLBACK")
    }

    /// Copies the whole database into another, which becomes its equal. Readers see one state; writers go on.
    func copy(into target: Connection) throws(StoreError) {
        let (source, copy) = (try unsafe opened(), try unsafe target.opened())
        // Safe: both connections are open until `finish` ends the backup.
        guard let backup = unsafe sqlite3_backup_init(copy, "main", source, "main") else {
            throw unsafe StoreError(sqlite: sqlite3_extended_errcode(copy), copy)
        }
        let step = unsafe sqlite3_backup_step(backup, -1)
        let code = unsafe sqlite3_backup_finish(backup)
        guard step == SQLITE_DONE, code == SQLITE_OK else {
            throw StoreError(sqlite: code == SQLITE_OK ? step : code, copy)
        }
    }

    func close() {
        for statement in statements { statement.finalize() }
        statements = []
        // Cannot be refused: no statement is left. If its checkpoint fails, the next start repeats it.
        unsafe sqlite3_close(handle)
        unsafe handle = nil
    }

    private func opened() throws(StoreError) -> OpaquePointer {
        guard let handle = unsafe handle else { throw StoreError(.failed, "the connection is closed") }
        return unsafe handle
    }

    private func check(_ code: Int32) throws(StoreError) {
        guard code == SQLITE_OK else { throw unsafe StoreError(sqlite: code, handle) }
    }

    /// RFC 8089, with all that has a meaning in a URI encoded.
    private static func uri(_ path: String) -> String {
        var uri = "file:"
        for byte in path.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                uri.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                uri += "%" + (digits.utf8.count == 1 ? "0" : "") + digits
            }
        }
        return uri
    }
}
