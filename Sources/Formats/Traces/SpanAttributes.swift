/// The attributes of one span, as far as they are read.
struct SpanAttributes {
    private var values: [(value: AttributeValue, name: SpanAttribute)] = []

    /// If a name has several values, the first counts.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        guard let name = SpanAttribute.names[name], self[name] == nil, let value = AttributeValue(value) else { return }
        values.append((value, name))
    }

    mutating func removeAll() {
        values.removeAll(keepingCapacity: true)
    }

    /// A copy without room for more, to be kept.
    var compact: SpanAttributes {
        var copy = SpanAttributes()
        copy.values = values.map { $0 }
        return copy
    }

    subscript(name: SpanAttribute) -> AttributeValue? {
        for entry in values where entry.name == name { return entry.value }
        return nil
    }

    /// The value of the first attribute that the span has.
    func first(of names: [SpanAttribute]) -> AttributeValue? {
        for name in names { if let value = self[name] { return value } }
        return nil
    }
}
