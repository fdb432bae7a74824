internal import Model

/// The fields of one record, copied out of a body whose format is not the contract's.
///
/// The contract's rules for fields hold here as well, with one difference: the sender cannot fix a detail that breaks a
/// rule, so the detail is left out with a warning, and the call counts.
struct RecordDraft {
    private var bytes: [UInt8] = []
    private var values = [Value](repeating: .absent, count: Field.allCases.count)

    private enum Value {
        case absent
        case string(Range<Int>)
        case number(Range<Int>)
    }

    /// Begins another record.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
        for place in values.indices { values[place] = .absent }
    }

    mutating func set(_ field: Field, string text: some Collection<UInt8>) {
        values[field.place] = .string(append(text))
    }

    /// - Parameter token: if it is not a JSON number, it counts as out of the field's range.
    mutating func set(_ field: Field, number token: some Collection<UInt8>) {
        values[field.place] = .number(append(token))
    }

    /// Sets the id. One that is too long becomes a digest, the same for each report of the call.
    mutating func set(id: some Collection<UInt8>) {
        guard id.count > RecordRules.idBytes else {
            set(.id, string: id)
            return
        }
        var input = DigestInput()
        input.append(last: String(decoding: id, as: UTF8.self))
        set(.id, string: String(input.digest128, radix: 16).utf8)
    }

    /// Reads the draft as a record, without the details that break a rule.
    mutating func event(
        index: Int, by rules: inout RecordRules, warnings: inout BodyWarnings
    ) throws(RecordFault) -> Event {
        while true {
            do throws(RecordFault) {
                return try withFields { (fields) throws(RecordFault) in
                    try rules.event(of: fields, index: index, warnings: &warnings)
                }
            } catch {
                if case .firstTokenPastLatency(let time, let latency) = error, Self.areEqual(time, latency) {
                    set(.timeToFirstTokenMilliseconds, number: PlainDecimal.text(Int128(latency), scale: 3).utf8)
                    continue
                }
                guard let field = error.field, field.isDetail else { throw error }
                omit(field, isInconsistent: error.code == .inconsistent)
                warnings.noteOmitted(field, index: index)
            }
        }
    }

    /// Whether two durations in microseconds differ by no more than clocks that are read one after the other: a first
    /// token that comes last may seem to come after it.
    private static func areEqual(_ time: Int64, _ latency: Int64) -> Bool {
        time - latency <= max(10_000, latency / 10)
    }

    /// The agent's name, if a record may have it.
    var validAgentName: LabelValue? {
        withFields { $0[.agentName].validName }
    }

    private mutating func omit(_ field: Field, isInconsistent: Bool) {
        values[field.place] = .absent
        // If two parts are too large together, either may be wrong.
        if isInconsistent, field == .cacheReadTokens || field == .cacheWriteTokens {
            values[Field.cacheReadTokens.place] = .absent
            values[Field.cacheWriteTokens.place] = .absent
        }
    }

    private mutating func append(_ text: some Collection<UInt8>) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: text)
        return start..<bytes.count
    }

    private func withFields<Result, Failure>(
        _ body: (Lent) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // Safe: what `body` receives lives for its call, and only values made of it leave it.
        try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(Failure) in
            let text = unsafe BorrowedBytes(buffer)
            return try body(Lent(text: text, values: values))
        }
    }

    /// The draft while it lends its bytes.
    private struct Lent: RecordFields {
        let text: BorrowedBytes
        let values: [Value]

        subscript(field: Field) -> JSONValue {
            switch values[field.place] {
            case .absent: .absent
            case .string(let range): .string(part(range))
            case .number(let range): .number(part(range))
            }
        }

        func hasAny(at places: Range<Int>) -> Bool {
            places.contains { if case .absent = values[$0] { false } else { true } }
        }

        private func part(_ range: Range<Int>) -> BorrowedBytes {
            text.trimmed(prefix: range.lowerBound, suffix: text.count - range.upperBound)
        }
    }
}
