import Glibc

/// Standard error, a line at a time: one write(2) each, so that lines of several threads never mix.
enum StandardError {
    static func write(_ line: String) {
        var line = line
        line.withUTF8 { bytes in
            // A log that nobody can take is no reason to stop counting.
            _ = unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count)
        }
    }
}
