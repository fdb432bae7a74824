import Glibc

/// The text of a file that a command reads.
enum InputText {
    /// - Parameter path: a file, or `-` for the standard input. Read once a process: the file takes the place of the
    ///   standard input.
    static func lines(of path: String) throws -> [String] {
        if path != "-" {
            // Safe: the path is lent as a C string for the call.
            let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0, dup2(descriptor, STDIN_FILENO) >= 0 else {
                // Safe: the text is static or the thread's own (glibc since 2.32), and is copied at once.
                throw Failure("\(path): \(unsafe String(cString: strerror(errno)))", exitCode: Failure.usage)
            }
            close(descriptor)
        }
        var lines: [String] = []
        while let line = readLine() { lines.append(line) }
        return lines
    }
}
