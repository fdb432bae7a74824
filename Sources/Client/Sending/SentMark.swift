internal import FoundationEssentials
private import Glibc

/// How far a file was sent, and to where, kept beside it, so that a later run goes on there.
///
/// The key is the first part of the ids that records without one are given, so that what is sent again counts once.
struct SentMark: Codable {
    static let suffix = ".sent"

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

    /// Takes over the mark of a file that was renamed since, as by a rotation of logs: a mark in the same folder that tells of
    /// this file, while the name that it stands for has gone or is another file's.
    ///
    /// - Parameter beginsWith: whether the file does: the system gives the inode of a removed file to a new one.
    /// - Returns: `nil` where there is none.
    static func ofRenamedFile(
        _ path: String, inode: UInt64, beginsWith: (Mark) throws(SendingError) -> Bool
    ) throws(SendingError) -> SentMark? {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        // A folder that cannot be listed has no mark to be found.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(suffix) {
            let candidate = folder + "/" + name
            var status = stat()
            guard let sent = try? read(candidate), sent.inode == inode, sent.mark.offset > 0,
                unsafe stat(String(candidate.dropLast(suffix.count)), &status) != 0 || UInt64(status.st_ino) != inode,
                try beginsWith(sent.mark)
            else { continue }
            guard unsafe rename(candidate, path + suffix) == 0 else {
                throw .unwritable("\(candidate): cannot be renamed with its file: \(SendingError.reason(errno))")
            }
            return sent
        }
        return nil
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
