internal import Model

extension JSONValue {
    /// The text of a field that is a string; `nil` if it is absent or null.
    func string(_ field: Field) throws(RecordFault) -> BorrowedBytes? {
        switch self {
        case .string(let text): return text
        case .absent, .null: return nil
        case .repeated: throw .duplicateKey(field)
        case .loneSurrogate: throw .loneSurrogate(field)
        case let other: throw .wrongType(field, other, expected: "a string")
        }
    }

    /// The token of a field that is a number; `nil` if it is absent or null.
    func number(_ field: Field) throws(RecordFault) -> BorrowedBytes? {
        switch self {
        case .number(let token): return token
        case .absent, .null: return nil
        case .repeated: throw .duplicateKey(field)
        case let other: throw .wrongType(field, other, expected: "a number")
        }
    }
}

extension JSONValue {
    /// The text as an `agent_name`, `provider` or `model`; `nil` if a record may not have it.
    var validName: LabelValue? {
        guard case .string(let text) = self else { return nil }
        let name = text.trimmingSpaces()
        return name.isName ? LabelValue(name.string) : nil
    }
}

extension Collection<UInt8> {
    /// Whether a record may have the text as its `error_type`.
    var isErrorType: Bool {
        guard let first, count <= 64 else { return false }
        return (first.isLetter || first.isDigit || first == UInt8(ascii: "_"))
            && allSatisfy { $0.isLetter || $0.isDigit || "_.:-".utf8.contains($0) }
    }

    /// Whether a record may have the text as its `status`.
    var isStatus: Bool {
        guard let first, count <= 32 else { return false }
        return first.isLowercaseLetter && allSatisfy { $0.isLowercaseLetter || $0.isDigit || $0 == UInt8(ascii: "_") }
    }

    /// Whether a record may have the text as its `trace_id`.
    var isTraceID: Bool { (1...64).contains(count) && allSatisfy(\.isHexadecimalDigit) }
}

extension String {
    /// Whether a record may have the text as its `agent_name`, `provider` or `model`.
    package var isName: Bool {
        let bytes = utf8Span.span
        let space = UInt8(ascii: " ")
        var range = bytes.indices
        while let first = range.first, bytes[first] == space { range = range.dropFirst() }
        while let last = range.last, bytes[last] == space { range = range.dropLast() }
        guard let first = range.first, range.count <= RecordRules.nameBytes, bytes[first] != UInt8(ascii: "_") else {
            return false
        }
        var previous: UInt8 = 0
        for place in range {
            let byte = bytes[place]
            if byte.isControl(behind: previous) { return false }
            previous = byte
        }
        return true
    }
}

extension BidirectionalCollection<UInt8> {
    /// Whether a record may have the text as its `agent_name`, `provider` or `model`.
    var isName: Bool {
        let space = UInt8(ascii: " ")
        guard let start = firstIndex(where: { $0 != space }), let end = lastIndex(where: { $0 != space }) else {
            return false
        }
        let name = self[start...end]
        return name.count <= RecordRules.nameBytes && name.first != UInt8(ascii: "_")
            && !name.containsControlCharacter
    }

    /// Unicode category Cc: U+0000 to U+001F, U+007F to U+009F.
    var containsControlCharacter: Bool {
        var previous: UInt8 = 0
        for byte in self {
            if byte.isControl(behind: previous) { return true }
            previous = byte
        }
        return false
    }
}

extension BorrowedBytes {
    /// U+0020 alone (docs/decisions.md, "Trimming").
    func trimmingSpaces() -> BorrowedBytes {
        let space = UInt8(ascii: " ")
        guard first == space || last == space else { return self }
        let prefix = prefix { $0 == space }.count
        let suffix = prefix == count ? 0 : reversed().prefix { $0 == space }.count
        return trimmed(prefix: prefix, suffix: suffix)
    }
}

extension UInt8 {
    /// Whether a control character ends with it.
    fileprivate func isControl(behind previous: UInt8) -> Bool {
        self < 0x20 || self == 0x7F || (previous == 0xC2 && self < 0xA0)
    }

    fileprivate var isLowercaseLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
    fileprivate var isLetter: Bool { (self | 0x20).isLowercaseLetter }
    fileprivate var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
    fileprivate var isHexadecimalDigit: Bool {
        isDigit || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(self | 0x20)
    }
}
