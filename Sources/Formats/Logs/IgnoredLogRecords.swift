/// Log records that were not counted, and need not be, by the names of their events.
package struct IgnoredLogRecords: Sendable {
    private var counts: [(name: [UInt8], count: Int)] = []
    private var others = 0
    /// The place of the name that came last: most records have the name of the one before.
    private var last = 0

    /// Most names that are kept: a hostile body has a name a record.
    package static let nameLimit = 32
    private static let unnamed = Array("unnamed".utf8)

    package init() {}

    /// - Parameter name: `nil` if the record has none that may be shown.
    mutating func add(_ name: ArraySlice<UInt8>?) {
        let name = name ?? Self.unnamed[...]
        if last < counts.count, name.elementsEqual(counts[last].name) {
            counts[last].count += 1
        } else if let place = counts.firstIndex(where: { name.elementsEqual($0.name) }) {
            counts[place].count += 1
            last = place
        } else if counts.count < Self.nameLimit {
            last = counts.count
            counts.append((Array(name), 1))
        } else {
            others += 1
        }
    }

    /// By the name of the event, `_other` for all past the limit.
    package var byEvent: [(event: String, count: Int)] {
        counts.map { (String(decoding: $0.name, as: UTF8.self), $0.count) } + (others > 0 ? [("_other", others)] : [])
    }
}
