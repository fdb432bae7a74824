internal import Model

/// The fields of one record, copied out of a body in another format than the contract's.
///
/// Whatever rule the contract has for a field holds for it here as well: nothing is checked before the record is read.
package struct RecordDraft: Sendable {
    private var bytes: [UInt8] = []
    private var values = [Value](repeating: .absent, count: Field.allCases.count)

    fileprivate enum Value: Sendable {
        case absent
        case string(Range<Int>)
        case number(Range<Int>)
    }

    package init() {}

    /// Begins with another record.
    package mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        for place in values.indices { values[place] = .absent }
    }

    package mutating func set(_ field: Field, string text: some Collection<UInt8>) {
        values[field.rawValue] = .string(append(text))
    }

    /// - Parameter token: what is no JSON number is out of the field's range.
    package mutating func set(_ field: Field, number token: some Collection<UInt8>) {
        values[field.rawValue] = .number(append(token))
    }

    private mutating func append(_ text: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text)
        return start..<bytes.count
    }

    func withFields<Result>(
        _ body: (DraftFields) throws(RecordRejection) -> Result
    ) throws(RecordRejection) -> Result {
        // Safe: what `body` is given lives for its call, and only values made of it leave it.
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(RecordRejection) in
            let text = unsafe JSONText(buffer)
            return try body(DraftFields(text: text, values: values))
        }
    }

    /// A view of a draft, for as long as the draft lends its bytes.
    struct DraftFields: RecordFields {
        fileprivate let text: JSONText
        fileprivate let values: [Value]

        subscript(field: Field) -> JSONValue {
            switch values[field.rawValue] {
            case .absent: .absent
            case .string(let range): .string(part(range))
            case .number(let range): .number(part(range))
            }
        }

        private func part(_ range: Range<Int>) -> JSONText {
            text.trimmed(prefix: range.lowerBound, suffix: text.count - range.upperBound)
        }
    }
}
