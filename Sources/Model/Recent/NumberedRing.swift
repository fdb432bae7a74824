/// Elements in order of arrival. Each keeps its number; the oldest are removed first.
///
/// Stored in chunks: growing and shrinking move no element, and changing a copy copies one chunk.
struct NumberedRing<Element: Sendable>: Sendable {
    private var chunks: [[Element]] = []
    private var offset = 0
    private(set) var count = 0
    /// The number of the oldest element, or of the next one if there is none.
    private(set) var first = 0

    private static var chunkShift: Int { 6 }
    private static var chunkCapacity: Int { 1 << chunkShift }

    var next: Int { first + count }

    /// An element that is still there.
    subscript(number: Int) -> Element? {
        guard number >= first, number < next else { return nil }
        let index = offset + number - first
        return chunks[index >> Self.chunkShift][index & (Self.chunkCapacity - 1)]
    }

    /// Reads an element that is still there, in place: copying one costs more than most reads.
    func read<Result>(_ number: Int, _ body: (borrowing Element) -> Result) -> Result? {
        guard number >= first, number < next else { return nil }
        let index = offset + number - first
        return body(chunks[index >> Self.chunkShift][index & (Self.chunkCapacity - 1)])
    }

    /// Changes an element that is still there.
    mutating func replace(_ number: Int, with element: Element) {
        guard number >= first, number < next else { return }
        let index = offset + number - first
        chunks[index >> Self.chunkShift][index & (Self.chunkCapacity - 1)] = element
    }

    mutating func append(_ element: Element) {
        if (offset + count) & (Self.chunkCapacity - 1) == 0 {
            var chunk: [Element] = []
            chunk.reserveCapacity(Self.chunkCapacity)
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }

    mutating func removeFirst() {
        first += 1
        count -= 1
        offset += 1
        if offset == Self.chunkCapacity {
            chunks.removeFirst()
            offset = 0
        }
    }
}
