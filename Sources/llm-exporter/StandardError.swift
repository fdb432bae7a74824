import Glibc

/// Standard error. Each line is one write(2), so that lines of several threads never mix.
enum StandardError {
    /// Whether systemd's journal reads it: `JOURNAL_STREAM` names the journal's device and inode (systemd.exec(5)).
    static let isJournal: Bool = {
        // Safe: nothing in this program changes the environment, and the text is copied at once.
        guard let stream = unsafe getenv("JOURNAL_STREAM") else { return false }
        var status = stat()
        // Safe: the system writes into a local variable of the type that it expects.
        guard unsafe fstat(STDERR_FILENO, &status) == 0 else { return false }
        return unsafe String(cString: stream) == "\(status.st_dev):\(status.st_ino)"
    }()

    /// - Parameter priority: the number of the level in syslog(3), which only the journal gets (sd-daemon(3)).
    static func write(_ line: String, priority: Int? = nil) {
        var line = line
        if let priority, isJournal { line = "<\(priority)>" + line }
        line.withUTF8 { bytes in
            // Safe: the bytes are lent for the call, with their count. A line that cannot be written is lost: the
            // program goes on counting without a log.
            _ = unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
