private import CXXHash
private import Glibc

/// The number of the last batch that was acknowledged, written beside the database.
///
/// Not synced: after a power failure it may be old, which proves nothing, but it is never ahead of a database whose
/// commits are synced before it is written. After a crash of the program it is exact: a database that ends before it
/// has then lost commits, because SQLite takes a damaged frame in the middle of its WAL for the end of it, and reports
/// nothing.
struct BatchNote: ~Copyable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    static func open(_ folder: StorageFolder) throws(StoreError) -> BatchNote {
        // Safe: the path is a Swift string, which is passed with its final zero.
        let descriptor = unsafe Glibc.open(folder.note, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot open \(folder.note)", errno: errno) }
        // Trailing bytes would make every later read fail.
        guard ftruncate(descriptor, min(off_t(line(0).utf8.count), lseek(descriptor, 0, SEEK_END))) == 0 else {
            let error = errno
            close(descriptor)
            throw .system("cannot truncate \(folder.note)", errno: error)
        }
        return BatchNote(descriptor: descriptor)
    }

    deinit {
        close(descriptor)
    }

    /// A failure leaves an older number, which proves less, but nothing wrong.
    func write(_ batch: Int64) {
        var line = Self.line(batch)
        // Safe: as many bytes are written as there are.
        line.withUTF8 { utf8 in _ = unsafe pwrite(descriptor, utf8.baseAddress, utf8.count, 0) }
    }

    /// - Returns: `nil` if there is no note that can be read: then nothing is known.
    static func read(_ folder: StorageFolder) -> Int64? {
        guard let text = try? Files.beginning(of: folder.note, bytes: 64), let number = Int64(text.prefix(20)) else {
            return nil
        }
        return text == line(number) ? number : nil
    }

    /// Always of the same length, with a checksum: a torn line does not count.
    private static func line(_ batch: Int64) -> String {
        func padded(_ text: String, _ count: Int) -> String {
            String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        var number = padded(String(batch), 20)
        // Safe: the bytes are read while the closure runs.
        let checksum = number.withUTF8 { utf8 in unsafe XXH3_64bits(utf8.baseAddress, utf8.count) }
        return "\(number) \(padded(String(checksum, radix: 16), 16))\n"
    }
}
