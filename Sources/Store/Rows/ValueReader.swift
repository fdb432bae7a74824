internal import Model

/// Takes the values of a row in their order, each as the type it must have.
struct ValueReader {
    private var values: ArraySlice<Value>

    init(_ values: [Value]) {
        self.values = values[...]
    }

    private mutating func next() -> Value { values.popFirst() ?? .null }

    mutating func skip(_ count: Int) {
        values = values.dropFirst(count)
    }

    mutating func integer() throws(StoreError) -> Int64 {
        guard let integer = try optionalInteger() else { throw StoreError(.damaged, "a number is missing") }
        return integer
    }

    mutating func optionalInteger() throws(StoreError) -> Int64? {
        switch next() {
        case .null: return nil
        case .integer(let integer): return integer
        default: throw StoreError(.damaged, "not an integer")
        }
    }

    /// A count or a sum, which is never below 0.
    mutating func natural() throws(StoreError) -> Int64 {
        guard let natural = try optionalNatural() else { throw StoreError(.damaged, "a count is missing") }
        return natural
    }

    mutating func optionalNatural() throws(StoreError) -> Int64? {
        guard let integer = try optionalInteger() else { return nil }
        guard integer >= 0 else { throw StoreError(.damaged, "a count below 0") }
        return integer
    }

    /// Milliseconds since 1970.
    mutating func optionalInstant() throws(StoreError) -> Instant? {
        try optionalInteger().map { Instant(unixMilliseconds: $0) }
    }

    mutating func optionalReal() throws(StoreError) -> Double? {
        switch next() {
        case .null: return nil
        case .real(let real): return real
        default: throw StoreError(.damaged, "not a real number")
        }
    }

    mutating func text() throws(StoreError) -> String {
        guard let text = try optionalText() else { throw StoreError(.damaged, "a text is missing") }
        return text
    }

    mutating func optionalText() throws(StoreError) -> String? {
        switch next() {
        case .null: return nil
        case .text(let text): return text
        default: throw StoreError(.damaged, "not a text")
        }
    }

    mutating func bytes() throws(StoreError) -> [UInt8] {
        guard let bytes = try optionalBytes() else { throw StoreError(.damaged, "bytes are missing") }
        return bytes
    }

    mutating func optionalBytes() throws(StoreError) -> [UInt8]? {
        switch next() {
        case .null: return nil
        case .bytes(let bytes): return bytes
        default: throw StoreError(.damaged, "not bytes")
        }
    }
}
