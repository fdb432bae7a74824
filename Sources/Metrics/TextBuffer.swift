internal import Model

/// The text so far, in one block of memory.
///
/// A line is made in one go: its room is reserved once, then bytes are copied, because a scrape has 100,000 lines and
/// one append to an array costs as much as copying a hundred bytes.
struct TextBuffer {
    private(set) var bytes: [UInt8] = []

    /// The longest whole number: 19 digits and a sign.
    private static let longestInteger = 20

    init(reserving capacity: Int) {
        bytes.reserveCapacity(capacity)
    }

    mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append(_ byte: UInt8) {
        bytes.append(byte)
    }

    mutating func append(_ text: [UInt8]) {
        bytes.append(contentsOf: text)
    }

    /// Appends an exact decimal: `value` x 10^-scale.
    mutating func append(_ value: Int128, scale: Int) {
        PlainDecimal.append(value, scale: scale, to: &bytes)
    }

    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
    }

    /// Appends a line up to its value.
    mutating func append(_ start: [UInt8], _ block: [UInt8], _ end: [UInt8]) {
        bytes.append(addingCapacity: start.count + block.count + end.count) { line in
            line.append(copying: start.span)
            line.append(copying: block.span)
            line.append(copying: end.span)
        }
    }

    /// Appends a line up to its end, without the line feed.
    mutating func append(_ start: [UInt8], _ block: [UInt8], _ end: [UInt8], _ value: Int64) {
        bytes.append(addingCapacity: start.count + block.count + end.count + Self.longestInteger) { line in
            line.append(copying: start.span)
            line.append(copying: block.span)
            line.append(copying: end.span)
            line.append(value)
        }
    }

    /// Appends a line.
    mutating func appendLine(_ start: [UInt8], _ block: [UInt8], _ end: [UInt8], _ value: Int64) {
        bytes.append(addingCapacity: start.count + block.count + end.count + Self.longestInteger + 1) { line in
            line.append(copying: start.span)
            line.append(copying: block.span)
            line.append(copying: end.span)
            line.append(value)
            line.append(UInt8(ascii: "\n"))
        }
    }
}

extension OutputSpan<UInt8> {
    @inline(__always)
    mutating func append(copying source: Span<UInt8>) {
        precondition(source.count <= freeCapacity)
        // Safe: the precondition has seen that the room is there; source and target never overlap, because a buffer
        // being written is held by nobody else.
        unsafe withUnsafeMutableBufferPointer { target, count in
            unsafe source.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(target)[count...])
                    .copyMemory(from: source)
            }
            count += source.count
        }
    }

    @inline(__always)
    fileprivate mutating func append(_ value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var first = digits.count
        var rest = value.magnitude
        repeat {
            first -= 1
            digits[first] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest != 0
        append(copying: digits.span.extracting(first...))
    }
}
