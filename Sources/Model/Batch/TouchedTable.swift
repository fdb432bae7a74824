/// The elements that a batch touches, by key, in the order of the first touch. Most batches touch few keys.
package struct TouchedTable<Element: Keyed>: Sendable {
    package private(set) var elements: [Element] = []
    private var places: [Element.Key: Int] = [:]
    /// Elements that no table has yet.
    private var born: Int64 = 0

    package var isEmpty: Bool { elements.isEmpty }
    package var count: Int { elements.count }

    package subscript(key: Element.Key) -> Element? { place(of: key).map { elements[$0] } }

    /// An element, in place.
    subscript(place place: Int) -> Element {
        get { elements[place] }
        _modify { yield &elements[place] }
    }

    func place(of key: Element.Key) -> Int? {
        // A dictionary pays from the second key on: most batches of one sender touch one.
        elements.count < 2 ? elements.firstIndex { $0.key == key } : places[key]
    }

    /// - Parameter element: its key is not in the table.
    /// - Returns: its place.
    @discardableResult
    mutating func append(_ element: Element) -> Int {
        let place = elements.count
        elements.append(element)
        if place == 1 { places[elements[0].key] = 0 }
        if place > 0 { places[element.key] = place }
        return place
    }

    /// How far the table was filled at a moment.
    struct Mark {
        let count: Int
        fileprivate let born: Int64
    }

    var mark: Mark { Mark(count: elements.count, born: born) }

    /// Drops the elements touched since then.
    mutating func drop(since mark: Mark) {
        guard elements.count > mark.count else { return }
        while elements.count > mark.count { places[elements.removeLast().key] = nil }
        if elements.count < 2 { places = [:] }
        born = mark.born
    }
}

extension TouchedTable where Element: NumberedSeries {
    /// The place of a series, which on its first touch is taken over as it stands.
    ///
    /// - Parameter birth: makes the series, with its number, if `table` has none.
    mutating func touch(_ key: Element.Key, in table: Table<Element>, birth: (Int64) -> Element) -> Int {
        if let place = place(of: key) { return place }
        if let standing = table[key] { return append(standing) }
        defer { born += 1 }
        return append(birth(table.nextNumber + born))
    }
}
