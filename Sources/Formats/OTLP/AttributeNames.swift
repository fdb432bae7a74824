/// Finds attributes by their names, as they lie in a body.
struct AttributeNames<Attribute: RawRepresentable<String> & CaseIterable & Sendable>: Sendable {
    /// By the length of the name in bytes.
    private let rows: [[(name: [UInt8], attribute: Attribute)]]

    init() {
        var rows: [[(name: [UInt8], attribute: Attribute)]] = []
        for attribute in Attribute.allCases {
            let name = Array(attribute.rawValue.utf8)
            while rows.count <= name.count { rows.append([]) }
            rows[name.count].append((name, attribute))
        }
        self.rows = rows
    }

    /// `nil` for a name that is not read.
    subscript(name: BorrowedBytes) -> Attribute? {
        guard name.count < rows.count else { return nil }
        return rows[name.count].first { name.equals($0.name) }?.attribute
    }
}
