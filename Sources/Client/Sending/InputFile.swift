internal import Glibc

/// A file or a pipe that is read once, from its beginning to its end.
struct InputFile: ~Copyable {
    private let descriptor: Int32
    /// For messages.
    let name: String
    /// The size when it was opened, and the inode; `nil` for anything but a regular file.
    let regular: (bytes: Int, inode: UInt64)?

    private static let chunkBytes = 1 << 18

    /// Takes over `descriptor`, which is open for reading.
    init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
        var status = stat()
        // Safe: the system writes into a local variable of the type that it expects.
        let isRegular = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        regular = isRegular ? (Int(status.st_size), UInt64(status.st_ino)) : nil
    }

    /// Opens the file.
    init(path: String) throws(SendingError) {
        // Safe: the path is lent as a C string for the call.
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable("\(path): \(SendingError.reason(errno))") }
        self.init(descriptor: descriptor, name: path)
    }

    deinit { close(descriptor) }

    /// Keeps other processes from sending the same file for as long as it is open.
    func lock() throws(SendingError) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw .unreadable("\(name): another llm-exporter send is sending it; wait until that one ends")
        }
    }

    /// The next bytes; none at the end.
    func read() throws(SendingError) -> [UInt8] {
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        while true {
            // Safe: the array is as long as the count that is given with it.
            let count = unsafe Glibc.read(descriptor, &chunk, chunk.count)
            if count >= 0 {
                chunk.removeLast(chunk.count - count)
                return chunk
            }
            guard errno == EINTR else { throw .unreadable("\(name): \(SendingError.reason(errno))") }
        }
    }
}
