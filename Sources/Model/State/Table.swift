/// Series in the order of their birth, found by their keys.
package struct Table<Element: NumberedSeries>: Sendable {
    package private(set) var elements = ChunkedArray<Element>()
    private var places: [Element.Key: Int] = [:]
    /// The number of the next series.
    package private(set) var nextNumber: Int64 = 1

    package init() {}

    package var count: Int { elements.count }
    package var indices: Range<Int> { 0..<elements.count }

    package func index(of key: Element.Key) -> Int? { places[key] }

    package subscript(key: Element.Key) -> Element? { places[key].map { elements[$0] } }

    package subscript(index: Int) -> Element {
        get { elements[index] }
        _modify { yield &elements[index] }
    }

    /// Puts a series in the place of the one with its key, or behind all.
    ///
    /// - Parameter element: a new one has a number of at least `nextNumber`.
    package mutating func put(_ element: Element) {
        if let index = places[element.key] {
            elements[index] = element
            return
        }
        places[element.key] = elements.count
        elements.append(element)
        nextNumber = element.number + 1
    }

    /// Removes series and closes the gaps; the others keep their order and numbers. Costs a rebuild of the whole table.
    @discardableResult
    mutating func removeAll(where isRemoved: (Element) -> Bool) -> [Element] {
        var removed: [Element] = []
        var kept = Table()
        for element in elements {
            if isRemoved(element) { removed.append(element) } else { kept.put(element) }
        }
        if !removed.isEmpty { self = kept }
        return removed
    }
}
