/// An event of a span, as far as it is read: whether it is an exception, and of which type.
struct SpanEvent {
    private(set) var isException = false
    /// From the first attribute with that name; `nil` inside if it is not a text.
    private var type: String??

    mutating func set(name: BorrowedBytes) {
        isException = name.elementsEqual("exception".utf8)
    }

    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        guard type == nil, name.elementsEqual("exception.type".utf8), let value = AttributeValue(value) else { return }
        type = .some(value.text)
    }

    /// `nil` for other events.
    var exceptionType: String? { isException ? type ?? nil : nil }
}
