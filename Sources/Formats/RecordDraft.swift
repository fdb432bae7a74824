internal import Model

/// The fields of one record, copied out of a body in another format than the contract's.
///
/// Whatever rule the contract has for a field holds for it here as well. But where a record would be rejected, a draft whose
/// details alone break a rule is read without them: those who send them did not mean to send records, nor can they mend them.
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

    /// Sets the id. One that is too long becomes a digest, the same for each report of the call.
    package mutating func set(id: some Collection<UInt8>) {
        guard id.count > RecordReader.idBytes else {
            set(.id, string: id)
            return
        }
        var input = DigestInput()
        input.append(last: String(decoding: id, as: UTF8.self))
        set(.id, string: String(input.digest128, radix: 16).utf8)
    }

    /// Reads the draft as a record; details that break a rule are left out, and warned of.
    ///
    /// - Parameter isTold: whether anybody reads the message of what is thrown.
    mutating func read(
        index: Int, isTold: Bool, by records: inout RecordReader, warnings: inout BodyWarnings
    ) throws(RecordFault) -> Event {
        while true {
            do throws(RecordFault) {
                return try withFields { (fields) throws(RecordFault) in
                    do throws(RecordFault) {
                        return try records.read(fields, index: index, warnings: &warnings)
                    } catch {
                        throw isTold ? error.told : error
                    }
                }
            } catch {
                guard let field = error.field, omit(field, isInconsistent: error.code == .inconsistent) else {
                    throw error
                }
                warnings.noteOmitted(field, index: index)
            }
        }
    }

    /// - Returns: `false` for what no call is counted without: its labels, its status, and how many tokens it took.
    private mutating func omit(_ field: Field, isInconsistent: Bool) -> Bool {
        switch field {
        // Of two parts that are too large together, nobody knows which is wrong.
        case .cacheReadTokens where isInconsistent, .cacheWriteTokens where isInconsistent:
            values[Field.cacheReadTokens.rawValue] = .absent
            values[Field.cacheWriteTokens.rawValue] = .absent
        case .cacheReadTokens, .cacheWriteTokens, .reasoningTokens, .costUSD, .latencyMilliseconds, .id, .timestamp,
            .traceID, .errorType:
            values[field.rawValue] = .absent
        default: return false
        }
        return true
    }

    private mutating func append(_ text: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text)
        return start..<bytes.count
    }

    private func withFields<Result>(
        _ body: (DraftFields) throws(RecordFault) -> Result
    ) throws(RecordFault) -> Result {
        // Safe: what `body` is given lives for its call, and only values made of it leave it.
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(RecordFault) in
            let text = unsafe JSONText(buffer)
            return try body(DraftFields(text: text, values: values))
        }
    }

    /// A view of a draft, for as long as the draft lends its bytes.
    fileprivate struct DraftFields: RecordFields {
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
