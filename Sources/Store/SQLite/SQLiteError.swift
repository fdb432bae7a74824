internal import CSQLite

extension StoreError {
    /// - Parameter handle: the connection that returned `code`, open; `nil` for an error without one.
    // Safe: `handle` is open, and its message is copied before the connection is used again.
    @safe init(sqlite code: Int32, _ handle: OpaquePointer?) {
        let primary = code & 0xFF
        let systemError = unsafe handle.map { unsafe sqlite3_system_errno($0) } ?? 0
        // SQLite keeps the number of an old error: it belongs to this one only if this is an input or output error.
        let isOfSystem = (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) && systemError != 0
        var reason = unsafe String(cString: sqlite3_errstr(code))
        if let handle = unsafe handle, unsafe sqlite3_extended_errcode(handle) == code {
            reason = unsafe String(cString: sqlite3_errmsg(handle))
        }
        if primary == SQLITE_BUSY || primary == SQLITE_LOCKED {
            reason +=
                ": another program uses it (llm-exporter backup or check-storage, sqlite3); wait for it, or stop it"
        }
        if primary == SQLITE_READONLY {
            reason += ": the user that runs the exporter must be able to write to the folder and all of its files"
        }
        if isOfSystem { reason += " (\(Self.text(errno: systemError)))" }
        if primary == SQLITE_FULL || (isOfSystem && Self.isFull(errno: systemError)) {
            self.init(.full, reason)
        } else {
            self.init(Self.isDamage(primary) ? .damaged : .failed, reason)
        }
    }

    /// Whether a code says that the database is not what was written.
    private static func isDamage(_ primary: Int32) -> Bool {
        switch primary {
        // All but the first two say that the schema is not ours: our SQL is the same on every host.
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_FORMAT: true
        default: false
        }
    }
}
