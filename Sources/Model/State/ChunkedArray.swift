/// An array whose copies share their elements in chunks, so that changing one element after a copy copies one chunk.
///
/// A scrape holds a copy while batches go on changing the original: with a plain array the first batch after each
/// scrape would copy every series.
package struct ChunkedArray<Element: Sendable>: Sendable {
    /// The elements in order; all chunks but the last are full.
    ///
    /// For fast readers: iterating copies each element, reading in place does not.
    package private(set) var chunks: [[Element]] = []
    package private(set) var count = 0

    private static var chunkShift: Int { 6 }
    private static var chunkCapacity: Int { 1 << chunkShift }

    package init() {}

    package var isEmpty: Bool { count == 0 }

    package subscript(index: Int) -> Element {
        get { chunks[index >> Self.chunkShift][index & (Self.chunkCapacity - 1)] }
        _modify { yield &chunks[index >> Self.chunkShift][index & (Self.chunkCapacity - 1)] }
    }

    package mutating func append(_ element: Element) {
        if count & (Self.chunkCapacity - 1) == 0 {
            var chunk: [Element] = []
            chunk.reserveCapacity(Self.chunkCapacity)
            chunks.append(chunk)
        }
        chunks[chunks.count - 1].append(element)
        count += 1
    }
}

extension ChunkedArray: Sequence {
    package func makeIterator() -> FlattenSequence<[[Element]]>.Iterator {
        chunks.joined().makeIterator()
    }
}
