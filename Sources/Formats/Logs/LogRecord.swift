internal import Model

/// A log record, as far as it is read, in either encoding.
///
/// Its texts are copies in one buffer, which the next record uses again: a record that is ignored allocates nothing.
struct LogRecord {
    /// Nanoseconds since 1970; 0 is unknown.
    var time: UInt64 = 0
    var observedTime: UInt64 = 0
    /// 0 if the sender gave none.
    var trace: UInt128 = 0
    var span: UInt64 = 0

    private let operatorAttributes: OperatorAttributes
    private(set) var chosenAgent = ChosenAgent()
    private(set) var kept = KeptAttributes()

    private var bytes: [UInt8] = []
    private var values: [(name: LogAttribute, value: Value)] = []
    private var eventName: Range<Int>?
    /// Kept only if it is short enough to be the name of an event.
    private var body: Range<Int>?

    private enum Value {
        case text(Range<Int>)
        case boolean(Bool)
        case integer(Int64)
        case double(Double)
    }

    /// - Parameter operatorAttributes: those that the configuration names.
    init(_ operatorAttributes: OperatorAttributes = .none) {
        self.operatorAttributes = operatorAttributes
    }

    /// Begins another log record; memory is kept.
    mutating func removeAll() {
        time = 0
        observedTime = 0
        trace = 0
        span = 0
        chosenAgent = ChosenAgent()
        kept = KeptAttributes()
        bytes.removeAll(keepingCapacity: true)
        values.removeAll(keepingCapacity: true)
        eventName = nil
        body = nil
    }

    /// If a name has several values, the first counts.
    mutating func add(_ name: BorrowedBytes, _ value: BorrowedValue) {
        chosenAgent.add(name, value, by: operatorAttributes)
        kept.add(name, value, by: operatorAttributes)
        guard let name = LogAttribute.names[name], !has(name), !value.isBlank else { return }
        switch value {
        case .text(let text): values.append((name, .text(keep(text))))
        case .boolean(let value): values.append((name, .boolean(value)))
        case .integer(let number): values.append((name, .integer(number)))
        case .double(let number): values.append((name, .double(number)))
        }
    }

    mutating func set(eventName name: BorrowedBytes) {
        if name.count <= LogEvent.nameBytes { eventName = keep(name) }
    }

    mutating func set(body text: BorrowedBytes) {
        if text.count <= LogEvent.nameBytes { body = keep(text) }
    }

    private mutating func keep(_ text: BorrowedBytes) -> Range<Int> {
        let start = bytes.count
        // Safe: the bytes are copied while the closure runs.
        unsafe text.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        return start..<bytes.count
    }
}

// MARK: - The event

extension LogRecord {
    /// The event that reports a call; `nil` if it is another.
    ///
    /// Senders put the name into three places: Codex has the place in its source as `event_name`, Claude Code has the
    /// name without its prefix as `event.name` and the whole one as the body.
    var event: LogEvent? {
        eventName.flatMap { LogEvent(name: bytes[$0]) } ?? text(.eventName).flatMap(LogEvent.init(name:))
            ?? body.flatMap { LogEvent(name: bytes[$0]) }
    }

    /// The name under which it is counted if it is ignored; `nil` if it has no name that may be shown.
    var shownName: ArraySlice<UInt8>? {
        let isShown = { (name: ArraySlice<UInt8>) in name.isErrorType && name.first != UInt8(ascii: "_") }
        if let eventName, isShown(bytes[eventName]) { return bytes[eventName] }
        guard let name = text(.eventName), isShown(name) else { return nil }
        // The body is shown only if it repeats the name behind a prefix.
        if let body, isShown(bytes[body]), bytes[body].dropLast(name.count).last == UInt8(ascii: "."),
            bytes[body].suffix(name.count) == name
        {
            return bytes[body]
        }
        return name
    }
}

// MARK: - Values

extension LogRecord {
    func has(_ name: LogAttribute) -> Bool { value(name) != nil }

    private func value(_ name: LogAttribute) -> Value? {
        for entry in values where entry.name == name { return entry.value }
        return nil
    }

    func text(_ name: LogAttribute) -> ArraySlice<UInt8>? {
        if case .text(let range) = value(name) { bytes[range] } else { nil }
    }

    func string(_ name: LogAttribute) -> String? {
        text(name).map { String(decoding: $0, as: UTF8.self) }
    }

    /// A whole number of 0 or more, also if it is written as text or with a point.
    func count(_ name: LogAttribute) -> Int64? {
        let number: Int64? =
            switch value(name) {
            case .integer(let number): number
            case .double(let number): Int64(exactly: number)
            case .text(let range): DecimalNumber(bytes[range])?.integer
            case .boolean, nil: nil
            }
        return number.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// Sets a field to the value of an attribute. A text that is a number counts as one.
    func copy(_ name: LogAttribute, to field: Field, _ draft: inout RecordDraft) {
        switch value(name) {
        case nil: break
        case .integer(let number): draft.set(field, number: "\(number)".utf8)
        case .double(let number): draft.set(field, number: "\(number)".utf8)
        case .text(let range) where DecimalNumber(bytes[range]) != nil: draft.set(field, number: bytes[range])
        // The wrong type, which is refused.
        case .text(let range): draft.set(field, string: bytes[range])
        case .boolean(let value): draft.set(field, string: "\(value)".utf8)
        }
    }

    /// Whether it reports tokens. Zeros alone mean that nothing is known.
    func reportsTokens(_ names: [LogAttribute]) -> Bool {
        names.contains { has($0) && count($0) != 0 }
    }

    /// Sets a field to the sum of a count and those that are beside it. If the first is not a count, the field gets its
    /// value as it is, which is refused.
    func copy(
        _ name: LogAttribute, with others: [LogAttribute], to field: Field, _ draft: inout RecordDraft
    ) {
        guard !has(name) || count(name) != nil else {
            copy(name, to: field, &draft)
            return
        }
        let parts = ([name] + others).compactMap(count)
        guard !parts.isEmpty else { return }
        draft.set(field, number: "\(parts.reduce(0) { $0 + Int128($1) })".utf8)
    }

    /// Adds an attribute of any type to the input of an id.
    func append(_ name: LogAttribute, to input: inout DigestInput) {
        switch value(name) {
        case nil: input.append(number: 0)
        case .text(let range):
            input.append(number: 1)
            input.append(part: bytes[range])
        case .boolean(let value): input.append(number: value ? 3 : 2)
        case .integer(let number):
            input.append(number: 4)
            input.append(number: UInt64(bitPattern: number))
        case .double(let number):
            input.append(number: 5)
            input.append(number: number.bitPattern)
        }
    }
}
