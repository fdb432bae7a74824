private import CXXHash
private import FoundationEssentials
internal import Glibc

/// Lines of a file that may be larger than the memory, in batches.
///
/// Used by one thread at a time.
@safe final class LineFile {
    private let descriptor: Int32
    /// For errors.
    private let name: String
    /// Read, and not yet part of a batch.
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// To where it is read.
    private(set) var mark = Mark(offset: 0, lines: 0, digest: 0)
    /// Whether a line at the end was left, as it is not whole.
    private(set) var leavesUnfinishedLine = false
    private var batches = 0
    private let hash: OpaquePointer
    /// Of a regular file; one of another kind is read once, by whoever comes first.
    let size: (bytes: Int, inode: UInt64)?

    /// Bytes of a batch from which on it takes no more lines.
    private static let bytesLimit = 4 << 20
    /// Far beyond any record; what is longer is no NDJSON.
    private static let lineLimit = 64 << 20

    /// - Parameter descriptor: open for reading; closed with this.
    init(descriptor: Int32, name: String) throws(SendingError) {
        self.descriptor = descriptor
        self.name = name
        var status = stat()
        let isFile = unsafe fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        size = isFile ? (Int(status.st_size), UInt64(status.st_ino)) : nil
        guard let hash = unsafe XXH3_createState() else { throw .outOfMemory }
        unsafe self.hash = hash
        unsafe XXH3_64bits_reset(hash)
        mark.digest = unsafe XXH3_64bits_digest(hash)
    }

    convenience init(_ path: String) throws(SendingError) {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .unreadable("\(path): \(SendingError.reason(errno))") }
        try self.init(descriptor: descriptor, name: path)
    }

    deinit {
        unsafe XXH3_freeState(hash)
        close(descriptor)
    }

    /// Sees to it that nobody else sends this file meanwhile.
    func lock() throws(SendingError) {
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            throw .unreadable("\(name): another llm-exporter send is at it; wait for that one")
        }
    }

    /// Passes over what an earlier run sent.
    ///
    /// - Returns: whether the file begins with just that.
    func skip(to mark: Mark) throws(SendingError) -> Bool {
        while self.mark.offset < mark.offset {
            if start == buffer.count {
                guard try fill() else { return false }
            }
            advance(min(buffer.count - start, mark.offset - self.mark.offset), lines: 0)
        }
        self.mark.lines = mark.lines
        self.mark.digest = unsafe XXH3_64bits_digest(hash)
        return self.mark == mark
    }

    /// The next lines that are not blank; `nil` at the end.
    func next(lines limit: Int) throws(SendingError) -> Batch? {
        var lines: [Batch.Line] = []
        var bytes = 0
        while lines.count < limit, bytes < Self.bytesLimit, let range = try nextLine() {
            let line = buffer[range]
            let isWhole = line.last == 0x0A
            if !line.allSatisfy({ [0x20, 0x09, 0x0D, 0x0A].contains($0) }) {
                // Somebody may still be writing it.
                if !isWhole, size != nil, (try? JSONDecoder().decode(AnyObject.self, from: Data(line))) == nil {
                    leavesUnfinishedLine = true
                    break
                }
                lines.append(Batch.Line(number: mark.lines + 1, text: isWhole ? Array(line) : Array(line) + [0x0A]))
                bytes += line.count
            }
            // A line without its end is one when that comes.
            advance(range.count, lines: isWhole ? 1 : 0)
        }
        guard !lines.isEmpty else { return nil }
        mark.digest = unsafe XXH3_64bits_digest(hash)
        defer { batches += 1 }
        return Batch(lines: lines, end: mark, place: batches)
    }

    /// Where the next line lies in the buffer, its line feed included.
    private func nextLine() throws(SendingError) -> Range<Int>? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) { return start..<(end + 1) }
            searched = buffer.count - start
            guard searched <= Self.lineLimit else {
                throw .unreadable(
                    "\(name): line \(mark.lines + 1) is longer than \(Self.lineLimit) bytes: is this NDJSON, one record a line?"
                )
            }
            guard try fill() else { return start < buffer.count ? start..<buffer.count : nil }
        }
    }

    private func advance(_ count: Int, lines: Int) {
        let part = buffer[start..<(start + count)]
        unsafe part.withUnsafeBytes { unsafe _ = XXH3_64bits_update(hash, $0.baseAddress, $0.count) }
        start += count
        mark.offset += count
        mark.lines += lines
    }

    /// Reads on. What was taken of the buffer is dropped, so that what is left begins at its start.
    private func fill() throws(SendingError) -> Bool {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        guard !isAtEnd else { return false }
        var chunk = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = unsafe read(descriptor, &chunk, chunk.count)
            if count > 0 {
                buffer += chunk[..<count]
                return true
            }
            if count == 0 {
                isAtEnd = true
                return false
            }
            guard errno == EINTR else { throw .unreadable("\(name): \(SendingError.reason(errno))") }
        }
    }
}

/// Lines that are sent in one request.
struct Batch: Sendable {
    let lines: [Line]
    /// How far the file is read with it, for a later run.
    let end: Mark
    /// By its place in the order of the file, from 0.
    let place: Int

    struct Line: Sendable {
        /// In the file, from 1.
        let number: Int
        /// Ends in a line feed.
        let text: [UInt8]
    }
}

/// How far a file was sent.
struct Mark: Equatable, Sendable {
    /// In bytes.
    var offset: Int
    /// Line feeds before.
    var lines: Int
    /// XXH3 of all bytes before: tells whether the file still begins with what was sent.
    var digest: UInt64
}
