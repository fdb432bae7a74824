private import CSQLite
private import Glibc

extension StoreError {
    // Safe: the message is copied before the handle is used again.
    @safe fileprivate init(sqlite code: Int32, _ handle: OpaquePointer?) {
        let primary = code & 0xFF
        let systemError = unsafe handle.map { unsafe sqlite3_system_errno($0) } ?? 0
        // SQLite keeps the number of an old error: only where it names an input or output error is it this one's.
        let isOfSystem = (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && systemError != 0
        var reason = unsafe String(cString: sqlite3_errstr(code))
        if let handle = unsafe handle, unsafe sqlite3_extended_errcode(handle) == code {
            reason = unsafe String(cString: sqlite3_errmsg(handle))
        }
        if primary == SQLITE_BUSY || primary == SQLITE_LOCKED {
            reason +=
                ": another program uses it (llm-exporter backup or check-storage, sqlite3); wait for it, or stop it"
        }
        if isOfSystem { reason += " (\(Self.text(errno: systemError)))" }
        if primary == SQLITE_FULL || (isOfSystem && Self.isFull(errno: systemError)) {
            self.init(.full, reason)
        } else {
            switch primary {
            // All but the first two say that the schema is not ours: our SQL is the same wherever it runs.
            case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_FORMAT:
                self.init(.damaged, reason)
            default: self.init(.failed, reason)
            }
        }
    }
}

/// A connection to one database. Used by one thread at a time.
@safe final class Connection {
    private let handle: OpaquePointer
    private var statements: [Statement] = []
    private var isOpen = true
    /// Set by SQLite after each commit: pages in the WAL.
    private let pagesInWAL = UnsafeMutablePointer<Int32>.allocate(capacity: 1)

    /// How a database is opened.
    enum Mode {
        /// To be read and written, by nobody else but readers.
        case writing
        /// To be read beside the process that writes it; creates no file.
        case readingBeside
        /// To be read while the caller sees to it that nobody writes: a recovery of its own, from the files alone. No lock, so
        /// that readers do not matter, no index of the WAL but in memory, no file made or changed. Closing it takes all locks
        /// that this process has on the database, so it is for a process that has it open nowhere else.
        case readingAlone
        /// To be read where there is no WAL and nobody writes.
        case readingClosed
        /// A new file, written by nobody else, without a WAL.
        case creating
    }

    /// How long to wait for readers of another process.
    private static let patienceMilliseconds: Int32 = 2000

    init(_ path: String, _ mode: Mode) throws(StoreError) {
        let (query, flags) =
            switch mode {
            case .writing: ("", SQLITE_OPEN_READWRITE)
            case .readingAlone: ("?mode=ro&vfs=unix-none", SQLITE_OPEN_READONLY)
            case .readingBeside: ("?mode=ro&readonly_shm=1", SQLITE_OPEN_READONLY)
            case .readingClosed: ("?mode=ro&immutable=1", SQLITE_OPEN_READONLY)
            case .creating: ("", SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)
            }
        var opened: OpaquePointer?
        let code = unsafe sqlite3_open_v2(
            Self.uri(path) + query, &opened, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let handle = unsafe opened else {
            let error = StoreError(sqlite: code, opened)
            unsafe sqlite3_close(opened)
            throw error
        }
        unsafe self.handle = handle
        unsafe pagesInWAL.initialize(to: 0)
        unsafe sqlite3_busy_timeout(handle, Self.patienceMilliseconds)
        unsafe csqlite_be_defensive(handle)
        do throws(StoreError) {
            // Read errors of a mapped file end the process.
            try execute(
                "PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY; PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF")
            switch mode {
            case .writing:
                try keepWALOnClose(true)
                countWALPages()
                try execute("PRAGMA synchronous=FULL; PRAGMA journal_size_limit=67108864")
            case .readingAlone:
                try keepWALOnClose(true)
                try execute("PRAGMA locking_mode=EXCLUSIVE")
            case .readingBeside, .readingClosed: try execute("PRAGMA query_only=ON")
            case .creating: try execute("PRAGMA synchronous=FULL; PRAGMA journal_mode=MEMORY")
            }
        } catch {
            close()
            throw error
        }
    }

    /// Instead of the hook by which SQLite checkpoints within a commit, while the batch's senders wait.
    private func countWALPages() {
        // Safe: the pointer lives as long as the connection.
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
        try check(unsafe csqlite_keep_wal_on_close(handle, keeps ? 1 : 0))
    }

    /// Runs statements whose rows nobody wants.
    func execute(_ sql: String) throws(StoreError) {
        try check(unsafe sqlite3_exec(handle, sql, nil, nil, nil))
    }

    /// - Returns: a statement that lives until the connection closes.
    func prepare(_ sql: String) throws(StoreError) -> Statement {
        var prepared: OpaquePointer?
        try check(unsafe sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
        guard let pointer = unsafe prepared else { throw StoreError(.failed, "an empty statement") }
        let statement = unsafe Statement(pointer, of: handle)
        statements.append(statement)
        return statement
    }

    /// Ends a statement before the connection ends.
    func discard(_ statement: Statement) {
        statements.removeAll { $0 === statement }
        statement.finalize()
    }

    /// The first column of the first row.
    func value(_ sql: String) throws(StoreError) -> Value {
        let statement = try prepare(sql)
        // An open statement would keep its transaction open.
        defer { discard(statement) }
        return try statement.step() ? statement.value(0) : .null
    }

    /// Writes what the WAL holds into the database, as far as no reader needs it there, so that the WAL can begin anew.
    ///
    /// - Returns: how many pages stay behind, for a reader.
    func checkpoint() throws(StoreError) -> Int {
        var pages: Int32 = 0
        var written: Int32 = 0
        try check(unsafe sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_PASSIVE, &pages, &written))
        return Int(max(0, pages - written))
    }

    /// Whether it was opened for reading alone, asked for or not.
    var isReadOnly: Bool { unsafe sqlite3_db_readonly(handle, "main") != 0 }

    /// Where the last commit ends in the WAL, in bytes; exact while this connection holds the write lock.
    func walEnd() throws(StoreError) -> Int64 {
        var end: Int64 = 0
        try check(unsafe csqlite_wal_end(handle, &end))
        return end
    }

    /// Ends a transaction, where one is open; nothing of it is in the database then.
    func rollBack() {
        // Ends it also where it fails.
        if unsafe sqlite3_get_autocommit(handle) == 0 { try? execute("ROLLBACK") }
    }

    /// Copies the whole database into another, which becomes its equal. Readers see one state; writers go on.
    func copy(into target: Connection) throws(StoreError) {
        guard let backup = unsafe sqlite3_backup_init(target.handle, "main", handle, "main") else {
            throw unsafe StoreError(sqlite: sqlite3_extended_errcode(target.handle), target.handle)
        }
        let step = unsafe sqlite3_backup_step(backup, -1)
        let code = unsafe sqlite3_backup_finish(backup)
        guard step == SQLITE_DONE, code == SQLITE_OK else {
            throw unsafe StoreError(sqlite: code == SQLITE_OK ? step : code, target.handle)
        }
    }

    func close() {
        guard isOpen else { return }
        isOpen = false
        for statement in statements { statement.finalize() }
        statements = []
        // Cannot be refused: no statement is left. What a checkpoint has to say about it, the next start repeats.
        unsafe sqlite3_close(handle)
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

/// A value of a column (SQLite, "Datatypes In SQLite", section 2).
enum Value: Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case bytes([UInt8])
}

/// A prepared statement. Ends with its connection.
@safe final class Statement {
    private let handle: OpaquePointer
    private let connection: OpaquePointer
    private var isFinal = false

    // `Connection` finalizes its statements before it closes.
    fileprivate init(_ handle: OpaquePointer, of connection: OpaquePointer) {
        unsafe self.handle = handle
        unsafe self.connection = connection
    }

    fileprivate func finalize() {
        isFinal = true
        unsafe sqlite3_finalize(handle)
    }

    /// - Parameter index: from 1.
    func bind(_ value: Value, at index: Int) throws(StoreError) {
        let index = Int32(index)
        let code =
            switch value {
            case .null: unsafe sqlite3_bind_null(handle, index)
            case .integer(let integer): unsafe sqlite3_bind_int64(handle, index, integer)
            case .real(let real): unsafe sqlite3_bind_double(handle, index, real)
            case .text(var text):
                text.withUTF8 { utf8 in
                    unsafe utf8.withMemoryRebound(to: CChar.self) { text in
                        unsafe csqlite_bind_text(handle, index, text.baseAddress, Int32(text.count))
                    }
                }
            case .bytes(let bytes):
                unsafe bytes.withUnsafeBytes { bytes in
                    unsafe csqlite_bind_blob(handle, index, bytes.baseAddress, Int32(bytes.count))
                }
            }
        guard code == SQLITE_OK else { throw unsafe StoreError(sqlite: code, connection) }
    }

    /// - Returns: whether there is a row.
    func step() throws(StoreError) -> Bool {
        switch unsafe sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code:
            let error = unsafe StoreError(sqlite: code, connection)
            unsafe sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs the statement to its end, with these parameters.
    func run(_ values: Value...) throws(StoreError) {
        for (place, value) in values.enumerated() { try bind(value, at: place + 1) }
        try run()
    }

    func run() throws(StoreError) {
        while try step() {}
        reset()
    }

    func reset() {
        unsafe sqlite3_reset(handle)
    }

    /// - Parameter column: from 0; of the present row.
    func value(_ column: Int) -> Value {
        let column = Int32(column)
        switch unsafe sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: return .integer(unsafe sqlite3_column_int64(handle, column))
        case SQLITE_FLOAT: return .real(unsafe sqlite3_column_double(handle, column))
        case SQLITE_TEXT:
            guard let text = unsafe sqlite3_column_text(handle, column) else { return .text("") }
            let count = unsafe Int(sqlite3_column_bytes(handle, column))
            return .text(unsafe String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            guard let bytes = unsafe sqlite3_column_blob(handle, column) else { return .bytes([]) }
            let count = unsafe Int(sqlite3_column_bytes(handle, column))
            return .bytes(unsafe [UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
        default: return .null
        }
    }
}
