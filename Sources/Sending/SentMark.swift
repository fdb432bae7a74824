internal import FoundationEssentials
private import Glibc

/// How far a file was sent, kept beside it, so that a later run goes on there.
///
/// The key is the first part of the ids that records without one are given, so that what is sent again counts once.
struct SentMark: Codable, Equatable {
    var key: String
    var offset: Int
    var lines: Int
    /// In hexadecimal.
    var digest: String

    var mark: Mark? { UInt64(digest, radix: 16).map { Mark(offset: offset, lines: lines, digest: $0) } }

    init(key: String, mark: Mark) {
        self.key = key
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
        guard let mark = try? JSONDecoder().decode(SentMark.self, from: bytes), mark.mark != nil else {
            throw .unreadable("\(path): does not tell how far was sent; remove it to send all of the file")
        }
        return mark
    }

    func write(_ path: String) throws(SendingError) {
        do {
            try JSONEncoder().encode(self).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .unwritable(
                "\(path): cannot be written, where it is kept how far was sent: copy the file to a folder that you may write to, or send it from standard input"
            )
        }
    }
}
