/// The attributes of one span, as far as they are read.
struct SpanAttributes {
    private var values: [(value: AttributeValue, name: SpanAttribute)] = []
    /// A bit for each that the span has: most look-ups are for those that it has not.
    private var bits: UInt128 = 0

    /// If a name has several values, the first counts.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        guard let name = SpanAttribute.names[name], bits & name.bit == 0, let value = AttributeValue(value) else {
            return
        }
        values.append((value, name))
        bits |= name.bit
    }

    mutating func removeAll() {
        values.removeAll(keepingCapacity: true)
        bits = 0
    }

    /// A copy without room for more, to be kept.
    var compact: SpanAttributes {
        var copy = SpanAttributes()
        copy.values = values.map { $0 }
        copy.bits = bits
        return copy
    }

    subscript(name: SpanAttribute) -> AttributeValue? {
        guard bits & name.bit != 0 else { return nil }
        for entry in values where entry.name.rawValue == name.rawValue { return entry.value }
        return nil
    }

    /// Whether the span has any of them.
    func has(_ list: SpanAttributeList) -> Bool { bits & list.bits != 0 }

    /// The value of the first attribute that the span has.
    func first(of list: SpanAttributeList) -> AttributeValue? {
        guard has(list) else { return nil }
        for name in list.names { if let value = self[name] { return value } }
        return nil
    }

    /// The values of those that the span has.
    func all(of list: SpanAttributeList) -> [AttributeValue] {
        has(list) ? list.names.compactMap { self[$0] } : []
    }

    /// The first text that may be a label; if none may, the first.
    func name(of list: SpanAttributeList) -> String? {
        guard has(list) else { return nil }
        var first: String?
        for name in list.names {
            guard let text = self[name]?.text?.unquoted else { continue }
            if text.isName { return text }
            first = first ?? text
        }
        return first
    }
}
