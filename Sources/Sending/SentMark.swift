internal import FoundationEssentials
private import Glibc

/// How far a file was sent, and to where, kept beside it, so that a later run goes on there.
///
/// The key is the first part of the ids that records without one are given, so that what is sent again counts once.
struct SentMark: Codable {
    let key: String
    let url: String
    /// Lines of one request: the ids count from where a request begins, so a later run keeps to it.
    let batch: Int
    /// Of the file, where the system tells one: an empty beginning is that of any file.
    let inode: UInt64
    private var offset: Int
    private var lines: Int
    /// In hexadecimal.
    private var digest: String

    var mark: Mark {
        get { Mark(offset: offset, lines: lines, digest: UInt64(digest, radix: 16) ?? 0) }
        set {
            offset = newValue.offset
            lines = newValue.lines
            digest = String(newValue.digest, radix: 16)
        }
    }

    init(key: String, url: String, batch: Int, inode: UInt64, mark: Mark) {
        self.key = key
        self.url = url
        self.batch = batch
        self.inode = inode
        offset = mark.offset
        lines = mark.lines
        digest = String(mark.digest, radix: 16)
    }

    /// - Returns: `nil` where there is none.
    static func read(_ path: String) throws(SendingError) -> SentMark? {
        let bytes: Data
        do {
            bytes = try Data(contentsOf: URL(filePath: path))
        } catch {
            if unsafe access(path, F_OK) != 0 && errno == ENOENT { return nil }
            throw .unreadable("\(path): cannot be read: \(error)")
        }
        guard let mark = try? JSONDecoder().decode(SentMark.self, from: bytes), mark.offset >= 0,
            (0...mark.offset).contains(mark.lines), UInt64(mark.digest, radix: 16) != nil,
            (1...100_000).contains(mark.batch)
        else { throw .unreadable("\(path): does not tell how far was sent; remove it to send all of the file as new") }
        return mark
    }

    /// Whole or not at all, whenever the program ends.
    func write(_ path: String) throws(SendingError) {
        let new = path + ".new"
        do {
            try JSONEncoder().encode(self).write(to: URL(filePath: new))
            guard unsafe rename(new, path) == 0 else { throw SendingError.unwritable(SendingError.reason(errno)) }
        } catch {
            throw .unwritable(
                "\(path): cannot be written, where it is kept how far was sent: copy the file to a folder that you may write to, or send it from standard input"
            )
        }
    }
}
