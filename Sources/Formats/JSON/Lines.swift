/// The lines of a text, without their line feed. A CR before it is white space to JSON.
struct Lines {
    private(set) var rest: BorrowedBytes
    private var number: Int

    struct Line {
        let text: BorrowedBytes
        /// From 1; blank lines count.
        let number: Int
    }

    /// - Parameter number: of the line before.
    init(_ text: BorrowedBytes, after number: Int = 0) {
        rest = text
        self.number = number
    }

    /// The next line that is not blank.
    mutating func nextWithText() -> Line? {
        while !rest.isEmpty {
            let length = rest.firstLineFeed ?? rest.count
            let text = rest.trimmed(prefix: 0, suffix: rest.count - length)
            rest = rest.trimmed(prefix: min(length + 1, rest.count), suffix: 0)
            number += 1
            if text.contains(where: { !$0.isWhiteSpace }) { return Line(text: text, number: number) }
        }
        return nil
    }
}

extension UInt8 {
    /// RFC 8259, section 2.
    var isWhiteSpace: Bool {
        self == UInt8(ascii: " ") || self == UInt8(ascii: "\n") || self == UInt8(ascii: "\r")
            || self == UInt8(ascii: "\t")
    }
}
