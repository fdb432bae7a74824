internal import FoundationEssentials
private import Glibc

/// How much of a file was sent, and to which address. It is kept beside the file, so that a later run continues from
/// there.
///
/// The key is the first part of the ids that records without an id get, so that a record that is sent twice counts
/// once.
struct SentMark: Codable {
    static let suffix = ".sent"

    let key: String
    let url: String
    /// Lines of one request. The ids count from where a request begins, so a later run uses the same number.
    let batch: Int
    /// The file's inode, which identifies a file of which nothing was sent yet: every file begins with no bytes.
    let inode: UInt64
    private var offset: Int
    private var lines: Int
    /// In hexadecimal.
    private var digest: String

    /// The end of what was acknowledged.
    var position: FilePosition {
        get { FilePosition(offset: offset, lines: lines, digest: UInt64(digest, radix: 16) ?? 0) }
        set {
            offset = newValue.offset
            lines = newValue.lines
            digest = String(newValue.digest, radix: 16)
        }
    }

    init(key: String, url: String, batch: Int, inode: UInt64, position: FilePosition) {
        self.key = key
        self.url = url
        self.batch = batch
        self.inode = inode
        offset = position.offset
        lines = position.lines
        digest = String(position.digest, radix: 16)
    }

    /// - Returns: `nil` if the file does not exist.
    static func read(_ path: String) throws(SendingError) -> SentMark? {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(filePath: path))
        } catch {
            // Safe: the path is lent as a C string for the call.
            if unsafe access(path, F_OK) != 0 && errno == ENOENT { return nil }
            throw .unreadable("\(path): cannot be read: \(error)")
        }
        guard let mark = try? JSONDecoder().decode(SentMark.self, from: bytes), mark.offset >= 0,
            (0...mark.offset).contains(mark.lines), UInt64(mark.digest, radix: 16) != nil,
            (1...100_000).contains(mark.batch)
        else {
            throw .unreadable("\(path): does not say how much was sent; remove it to send all of the file as new")
        }
        return mark
    }

    /// Takes over the mark of a file that was renamed, as log rotation does: a mark in the same folder that belongs to
    /// this file's inode, while the file that it was written for is gone or is another one.
    ///
    /// - Parameter beginsWith: whether the file begins with what was sent; a new file may have the inode of a removed
    ///   one.
    /// - Returns: `nil` if there is none.
    static func ofRenamedFile(
        _ path: String, inode: UInt64, beginsWith: (FilePosition) throws(SendingError) -> Bool
    ) throws(SendingError) -> SentMark? {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        // No mark can be found in a folder that cannot be listed.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(suffix) {
            let candidate = folder + "/" + name
            guard let sent = try? read(candidate), sent.inode == inode, sent.offset > 0,
                Self.inode(of: String(candidate.dropLast(suffix.count))) != inode,
                try beginsWith(sent.position)
            else { continue }
            // Safe: both paths are lent as C strings for the call.
            guard unsafe rename(candidate, path + suffix) == 0 else {
                throw .unwritable("\(candidate): cannot be renamed with its file: \(SendingError.reason(errno))")
            }
            return sent
        }
        return nil
    }

    /// - Returns: `nil` if there is no such file.
    private static func inode(of path: String) -> UInt64? {
        var status = stat()
        // Safe: the system writes into a local variable of the type that it expects.
        return unsafe stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// Writes the whole mark or nothing, whenever the program ends.
    func write(_ path: String) throws(SendingError) {
        let new = path + ".new"
        do {
            try JSONEncoder().encode(self).write(to: URL(filePath: new))
            // Safe: both paths are lent as C strings for the call.
            guard unsafe rename(new, path) == 0 else { throw SendingError.unwritable(SendingError.reason(errno)) }
        } catch {
            throw .unwritable(
                "\(path): cannot be written, and it keeps how much was sent: "
                    + "copy the file to a folder that you may write to, or send it from standard input")
        }
    }
}
