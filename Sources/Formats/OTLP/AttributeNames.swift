/// An attribute that is read, with its name in bodies.
protocol NamedAttribute: CaseIterable, Sendable {
    var text: String { get }
}

extension NamedAttribute where Self: RawRepresentable<String> {
    var text: String { rawValue }
}

/// Finds attributes by their names, as they lie in a body. `_` and `.` are the same in them.
struct AttributeNames<Attribute: Sendable>: Sendable {
    /// By the length of the name in bytes; each name with `.` in place of `_`.
    private let rows: [[(name: [UInt8], attribute: Attribute)]]

    init(_ attributes: [(name: String, attribute: Attribute)]) {
        var rows: [[(name: [UInt8], attribute: Attribute)]] = []
        for (name, attribute) in attributes {
            let name = name.utf8.map(Self.plain)
            while rows.count <= name.count { rows.append([]) }
            rows[name.count].append((name, attribute))
        }
        self.rows = rows
    }

    init() where Attribute: NamedAttribute {
        self.init(Attribute.allCases.map { ($0.text, $0) })
    }

    /// `nil` for a name that is not read.
    subscript(name: BorrowedBytes) -> Attribute? {
        guard name.count < rows.count else { return nil }
        return rows[name.count].first { Self.equal(name, $0.name) }?.attribute
    }

    /// Compared from the end: names of one length mostly begin alike.
    private static func equal(_ name: BorrowedBytes, _ plainName: [UInt8]) -> Bool {
        for place in stride(from: plainName.count - 1, through: 0, by: -1)
        where plain(name[place]) != plainName[place] { return false }
        return true
    }

    private static func plain(_ byte: UInt8) -> UInt8 { byte == UInt8(ascii: "_") ? UInt8(ascii: ".") : byte }
}
