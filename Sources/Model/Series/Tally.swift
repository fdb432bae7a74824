/// Counts by name, in the order in which the names came.
///
/// A list, not a dictionary: a set has one or two statuses, rarely sixteen.
package struct Tally: Equatable, Sendable {
    package private(set) var entries: [Entry] = []

    package struct Entry: Equatable, Sendable {
        package let name: LabelValue
        package fileprivate(set) var count: Int64
    }

    package init() {}

    package subscript(name: LabelValue) -> Int64 {
        entries.first { $0.name == name }?.count ?? 0
    }

    package func contains(_ name: LabelValue) -> Bool {
        entries.contains { $0.name == name }
    }

    package var total: Int64 { entries.reduce(0) { $0 + $1.count } }

    /// - Returns: whether the name is a new one.
    @discardableResult
    package mutating func add(_ count: Int64, to name: LabelValue) -> Bool {
        if let place = entries.firstIndex(where: { $0.name == name }) {
            entries[place].count += count
            return false
        }
        entries.append(Entry(name: name, count: count))
        return true
    }

    /// The name to count under: `name`, or `_other` if there are `limit` names already.
    ///
    /// - Parameter reserved: names that count as present whether or not they came.
    func admitted(_ name: LabelValue, limit: Int, reserved: [LabelValue] = []) -> LabelValue {
        if reserved.contains(name) || contains(name) { return name }
        var names = Set(reserved)
        for entry in entries where entry.name != .other { names.insert(entry.name) }
        return names.count < limit ? name : .other
    }
}
