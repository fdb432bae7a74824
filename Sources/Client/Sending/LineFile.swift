private import FoundationEssentials

/// The lines of a file that may be larger than the memory, in batches.
///
/// Used by one thread at a time.
final class LineFile {
    private let input: InputFile
    private var digest: RunningDigest
    /// Read, and not yet part of a batch from `start` on.
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    /// The end of the last batch.
    private(set) var position: FilePosition
    /// Whether a line without a line feed was left unsent at the end, because it is no JSON object yet.
    private(set) var leavesUnfinishedLine = false
    private var batches = 0

    /// A batch that holds this many bytes takes no more lines.
    private static let batchBytes = 4 << 20
    /// Far more than any record needs: a longer line is not NDJSON.
    private static let lineBytesLimit = 64 << 20

    init(_ input: consuming InputFile) throws(SendingError) {
        self.input = input
        digest = try RunningDigest()
        position = FilePosition(digest: digest.value)
    }

    /// The size when it was opened, and the inode; `nil` for anything but a regular file.
    var regular: (bytes: Int, inode: UInt64)? { input.regular }

    /// Keeps other processes from sending the same file for as long as this lives.
    func lock() throws(SendingError) { try input.lock() }

    /// Reads up to the position where an earlier run ended.
    ///
    /// - Returns: whether the file begins with what that run sent.
    func skip(to earlier: FilePosition) throws(SendingError) -> Bool {
        while position.offset < earlier.offset {
            if start == buffer.count {
                guard try fill() else { return false }
            }
            advance(min(buffer.count - start, earlier.offset - position.offset), lines: 0)
        }
        position.lines = earlier.lines
        position.digest = digest.value
        return position == earlier
    }

    /// The next lines that are not blank; `nil` at the end.
    func next(lines limit: Int) throws(SendingError) -> Batch? {
        var lines: [Batch.Line] = []
        var bytes = 0
        while lines.count < limit, bytes < Self.batchBytes, let range = try nextLine() {
            let line = buffer[range]
            let isWhole = line.last == UInt8(ascii: "\n")
            if !line.allSatisfy(Self.isBlank) {
                // Another process may still be writing it.
                if !isWhole, regular != nil, !Self.isObject(line) {
                    leavesUnfinishedLine = true
                    break
                }
                let text = isWhole ? Array(line) : line + [UInt8(ascii: "\n")]
                lines.append(Batch.Line(number: position.lines + 1, text: text))
                bytes += line.count
            }
            // Lines are counted by their line feeds: a last line without one is counted when the line feed comes.
            advance(range.count, lines: isWhole ? 1 : 0)
        }
        guard !lines.isEmpty else { return nil }
        position.digest = digest.value
        defer { batches += 1 }
        return Batch(lines: lines, end: position, number: batches)
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
            || byte == UInt8(ascii: "\n")
    }

    private static func isObject(_ text: ArraySlice<UInt8>) -> Bool {
        (try? JSONDecoder().decode(JSONObject.self, from: Data(text))) != nil
    }

    /// Any JSON object, whatever its members.
    private struct JSONObject: Decodable {
        private enum NoKeys: CodingKey {}

        init(from decoder: any Decoder) throws {
            _ = try decoder.container(keyedBy: NoKeys.self)
        }
    }

    /// The place of the next line in the buffer, with its line feed.
    private func nextLine() throws(SendingError) -> Range<Int>? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: UInt8(ascii: "\n")) { return start..<(end + 1) }
            // `fill` moves the line to the start of the buffer.
            searched = buffer.count - start
            guard searched <= Self.lineBytesLimit else {
                throw .unreadable(
                    "\(input.name): line \(position.lines + 1) is longer than \(Self.lineBytesLimit) bytes: "
                        + "is this NDJSON, one record a line?")
            }
            guard try fill() else { return start < buffer.count ? start..<buffer.count : nil }
        }
    }

    private func advance(_ count: Int, lines: Int) {
        digest.append(buffer[start..<(start + count)])
        start += count
        position.offset += count
        position.lines += lines
    }

    /// Appends the next bytes of the file, and drops those that are part of a batch.
    ///
    /// - Returns: false at the end of the file.
    private func fill() throws(SendingError) -> Bool {
        if start > 0 {
            buffer.removeSubrange(..<start)
            start = 0
        }
        guard !isAtEnd else { return false }
        let chunk = try input.read()
        isAtEnd = chunk.isEmpty
        buffer += chunk
        return !isAtEnd
    }
}
