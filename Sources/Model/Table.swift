/// Series in the order of their birth, found by their labels.
package struct Table<Element: NumberedSeries>: Sendable {
    package private(set) var elements = ChunkedArray<Element>()
    private var places: [Element.Labels: Int] = [:]
    /// What the next series is numbered.
    package private(set) var nextNumber: Int64 = 1

    package init() {}

    package var count: Int { elements.count }
    package var indices: Range<Int> { 0..<elements.count }

    package func index(of labels: Element.Labels) -> Int? { places[labels] }

    package subscript(labels: Element.Labels) -> Element? { places[labels].map { elements[$0] } }

    package subscript(index: Int) -> Element {
        get { elements[index] }
        _modify { yield &elements[index] }
    }

    /// Puts a series in the place of the one with its labels, or behind all.
    ///
    /// - Parameter element: a new one has a number of at least `nextNumber`.
    package mutating func put(_ element: Element) {
        if let index = places[element.labels] {
            elements[index] = element
            return
        }
        places[element.labels] = elements.count
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

/// What a batch touches, by key, in the order of the first touch. Most batches touch few keys.
package struct TouchedTable<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    package private(set) var entries: [(key: Key, value: Value)] = []
    private var places: [Key: Int] = [:]

    package subscript(key: Key) -> Value? {
        place(of: key).map { entries[$0].value }
    }

    /// The value to change; `initial` where the key is touched first.
    subscript(key: Key, default initial: @autoclosure () -> Value) -> Value {
        get { self[key] ?? initial() }
        _modify {
            let place = touch(key, initial: initial())
            yield &entries[place].value
        }
    }

    /// The index of a key's entry, which is made where there is none.
    mutating func touch(_ key: Key, initial: @autoclosure () -> Value) -> Int {
        if let known = place(of: key) { return known }
        let place = entries.count
        entries.append((key, initial()))
        if place > 0 {
            if place == 1 { places[entries[0].key] = 0 }
            places[key] = place
        }
        return place
    }

    /// The value of an entry, in place.
    subscript(place place: Int) -> Value {
        get { entries[place].value }
        _modify { yield &entries[place].value }
    }

    /// The index of a key's entry.
    func place(of key: Key) -> Int? {
        // A dictionary pays from the second key on: most batches of one sender touch one.
        entries.count < 2 ? entries.firstIndex { $0.key == key } : places[key]
    }
}
