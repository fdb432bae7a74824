private import Concurrency

/// Finds names without regard to case. Names of a table differ in more than a hash of 64 bits, and callers compare.
struct FoldedNames: Sendable {
    /// Sorted by hash.
    private var entries: [(hash: UInt64, name: String)]

    /// - Parameter part: the part of a name by which it is found.
    init(_ names: some Sequence<String>, by part: (String) -> Substring) {
        entries = names.map { (Self.hash(part($0)), $0) }
        entries.sort { $0.hash < $1.hash }
    }

    /// The names whose part may be equal to this one, in any order.
    func names(of name: some StringProtocol) -> [String] {
        let hash = Self.hash(name)
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        return entries[low...].prefix { $0.hash == hash }.map(\.name)
    }

    /// FNV-1a of the name in lower case.
    private static func hash(_ name: some StringProtocol) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in name.utf8 {
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            hash = (hash ^ UInt64(isUpper ? byte | 0x20 : byte)) &* 0x100_0000_01B3
        }
        return hash
    }
}

/// The same, made when it is first needed: a start does not wait for it, and most exporters never need it.
final class LazyNames: Sendable {
    private let made = Locked<FoldedNames?>(nil)
    private let make: @Sendable () -> FoldedNames

    init(_ make: @escaping @Sendable () -> FoldedNames) {
        self.make = make
    }

    func names(of name: some StringProtocol) -> [String] {
        let names = made.withLock { made in
            let names = made ?? make()
            made = names
            return names
        }
        return names.names(of: name)
    }
}
