import Glibc

/// Standard error, a line at a time: one write(2) each, so that lines of several threads never mix.
enum StandardError {
    /// Whether systemd's journal reads it, which `JOURNAL_STREAM` says by device and inode (systemd.exec(5)).
    static let isJournal: Bool = {
        guard let stream = unsafe getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
        return unsafe String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }()

    /// - Parameter priority: as syslog(3) counts; the journal is told (sd-daemon(3)).
    static func write(_ line: String, priority: Int? = nil) {
        var line = line
        if let priority, isJournal { line = "<\(priority)>" + line }
        line.withUTF8 { bytes in
            // A log that nobody can take is no reason to stop counting.
            _ = unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
