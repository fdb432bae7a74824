/// The names of what a request has beside calls, with how often each occurs: bounded, as senders choose them.
struct IgnoredNames {
    private var known: [(name: [UInt8], count: Int)] = []
    private var others = 0

    /// Names that are counted one by one in a request; the rest are counted together as `_other`.
    private static let limit = 32
    /// A longer name, in bytes, is hardly one that was given by a program: it may be a part of a prompt.
    private static let nameLimit = 64
    static let other = "_other"

    /// - Parameters:
    ///   - operation: what the sender says that it is.
    ///   - name: its name, if it does not say that.
    mutating func add(operation: String?, name: BorrowedBytes) {
        if let operation {
            add(operation.utf8) { operation.utf8.elementsEqual($0) }
        } else {
            add(name) { name.equals($0) }
        }
    }

    private mutating func add(_ name: some BidirectionalCollection<UInt8>, _ isEqual: ([UInt8]) -> Bool) {
        if let place = known.firstIndex(where: { isEqual($0.name) }) {
            known[place].count += 1
        } else if known.count < Self.limit, name.count <= Self.nameLimit, name.isName {
            known.append((Array(name), 1))
        } else {
            others += 1
        }
    }

    var counts: [String: Int] {
        var counts: [String: Int] = others > 0 ? [Self.other: others] : [:]
        for (name, count) in known { counts[String(decoding: name, as: UTF8.self), default: 0] += count }
        return counts
    }
}
