internal import Model

/// Why a record is not taken. Its message is made only where somebody reads it: of millions a hundred are told.
struct RecordFault: Error, @unchecked Sendable {
    // Unchecked: a message is made on the thread that reads the record, before the reader goes on: it shows the reader's
    // bytes.
    let field: Field?
    let code: RecordRejection.Code
    private let message: () -> String

    init(field: Field? = nil, code: RecordRejection.Code, message: @autoclosure @escaping () -> String) {
        self.field = field
        self.code = code
        self.message = message
    }

    /// - Parameter line: the one that the record stands on, from 1; `nil` where records are no lines.
    func rejection(line: Int? = nil) -> RecordRejection {
        RecordRejection(
            field: field?.name, code: code, message: line.map { "\(message()) (line \($0))" } ?? message())
    }

    /// For those who are told after the record's bytes are gone.
    var told: RecordFault {
        let message = message()
        return RecordFault(field: field, code: code, message: message)
    }
}

/// Messages for the senders of records: what is wrong with which field, what was seen, what to do.
extension RecordFault {
    /// Names all required fields that are missing, so that a sender need not find them one by one.
    static func missing(_ field: Field, in object: some RecordFields, isStart: Bool) -> RecordFault {
        RecordFault(field: field, code: .missing, message: needs(field, in: object, isStart: isStart))
    }

    private static func needs(_ field: Field, in object: some RecordFields, isStart: Bool) -> String {
        let required: [Field] = isStart ? [.agentName, .id] : [.agentName, .provider, .model]
        let missing = required.filter { other in
            if other == field { return true }
            switch object[other] {
            case .absent, .null: return other != .id
            default: return false
            }
        }
        let names = missing.map(\.name).joined(separator: ", ")
        let verb = missing.count == 1 ? "is" : "are"
        let needs = isStart ? "a start needs agent_name and id" : "a record needs agent_name, provider and model"
        return "\(names) \(verb) missing or null; \(needs)"
    }

    static func duplicateKey(_ field: Field) -> RecordFault {
        RecordFault(
            field: field, code: .duplicateKey, message: "\(field.name) stands in the record twice; send it once")
    }

    static func wrongType(_ field: Field, _ value: JSONValue, expected: String) -> RecordFault {
        RecordFault(field: field, code: .wrongType, message: "\(field.name) is \(seen(value)); send \(expected)")
    }

    private static func seen(_ value: JSONValue) -> String {
        switch value {
        case .absent, .null, .repeated: "null"
        case .boolean(let token): "\(Excerpt(token))"
        case .number(let token): "the number \(Excerpt(token))"
        case .string(let text): "the string \"\(Excerpt(text))\""
        case .array: "an array"
        case .object: "an object"
        case .malformed: "no JSON"
        }
    }

    static func quantity(
        _ field: Field, _ token: JSONText, _ quantity: Quantity, _ fault: Quantity.Fault
    ) -> RecordFault {
        switch fault {
        case .notInteger:
            RecordFault(
                field: field, code: .notInteger,
                message: "\(field.name) is \(Excerpt(token)); send a whole number from 0 to \(quantity.bound)")
        case .outOfRange:
            RecordFault(
                field: field, code: .outOfRange,
                message: "\(field.name) is \(Excerpt(token)); send a number from 0 to \(quantity.bound)")
        }
    }

    static func empty(_ field: Field, bytes: Int) -> RecordFault {
        RecordFault(
            field: field, code: .empty, message: "\(field.name) is empty; send 1 to \(bytes) bytes of text")
    }

    static func tooLong(_ field: Field, _ text: JSONText, bytes: Int) -> RecordFault {
        RecordFault(
            field: field, code: .tooLong,
            message: "\(field.name) has \(text.count) bytes, \"\(Excerpt(text))\"; send at most \(bytes) bytes")
    }

    static func controlCharacter(_ field: Field, _ text: JSONText) -> RecordFault {
        RecordFault(
            field: field, code: .controlCharacter,
            message: "\(field.name) holds a control character, \"\(Excerpt(text))\"; remove it")
    }

    static func reserved(_ field: Field, _ text: JSONText) -> RecordFault {
        RecordFault(
            field: field, code: .reserved,
            message: "\(field.name) is \"\(Excerpt(text))\"; names that begin with _ are the exporter's own")
    }

    static func invalidFormat(_ field: Field, _ text: JSONText, expected: String) -> RecordFault {
        RecordFault(
            field: field, code: .invalidFormat,
            message: "\(field.name) is \"\(Excerpt(text))\"; send \(expected)")
    }

    static func inconsistent(
        _ field: Field, _ part: Int64, of wholeField: Field, _ whole: Int64?, beside taken: Int64
    ) -> RecordFault {
        let bound = "\(wholeField.name) is \(whole.map { "\($0)" } ?? "missing")"
        let other = taken > 0 ? " and \(Field.cacheReadTokens.name) is \(taken)" : ""
        return RecordFault(
            field: field, code: .inconsistent,
            message: "\(field.name) is \(part) but \(bound)\(other); \(wholeField.name) includes its parts")
    }

    static let notAnObject = RecordFault(
        code: .notAnObject, message: "the record is not a JSON object; send {\"agent_name\": …}")

    static func malformed(_ fault: JSONFault, in text: some Collection<UInt8>) -> RecordFault {
        RecordFault(
            code: .malformedJSON, message: "the line is not JSON: \(fault.reason(in: text)); send one object a line")
    }
}

extension JSONFault {
    /// What is wrong and where, for a person.
    func reason(in text: some Collection<UInt8>) -> String {
        switch kind {
        case .incomplete: "an array or object is not closed"
        case .syntax, .trailing:
            // Most often the sender was cut short.
            if Self.isCutShort(text) {
                "an array or object is not closed"
            } else if kind == .trailing {
                "something follows the end of the value"
            } else {
                "unexpected text near byte \(offset)"
            }
        case .number: "no JSON number at byte \(offset)"
        case .escape: "an invalid escape in the string at byte \(offset)"
        case .depth: "arrays and objects nested deeper than \(JSONReader.depthLimit) levels at byte \(offset)"
        case .tooLong: "longer than 4 GiB"
        case .encoding:
            String(validating: text, as: UTF8.self) == nil
                ? "bytes that are not UTF-8 at byte \(Self.validPrefix(of: text))" : "bytes that are not UTF-8"
        case .controlCharacter: "a control character in a string that must be escaped" + Self.place(in: text, of: kind)
        case .unclosedString: "a string is not closed" + Self.place(in: text, of: kind)
        }
    }

    /// Whether more arrays and objects begin than end.
    private static func isCutShort(_ text: some Collection<UInt8>) -> Bool {
        var open = 0
        var isInString = false
        var isEscaped = false
        for byte in text {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInString = true
            case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): open -= 1
            default: break
            }
        }
        return open > 0
    }

    /// Bytes before the first that is not UTF-8.
    private static func validPrefix(of text: some Collection<UInt8>) -> Int {
        var decoder = UTF8()
        var bytes = text.makeIterator()
        var count = 0
        while case .scalarValue(let scalar) = decoder.decode(&bytes) { count += UTF8.width(scalar) }
        return count
    }

    /// The first control character in a string, or the quote that no other closes.
    private static func place(in text: some Collection<UInt8>, of kind: Kind) -> String {
        var open: Int?
        var isEscaped = false
        for (offset, byte) in text.enumerated() {
            if open == nil {
                if byte == UInt8(ascii: "\"") { open = offset }
            } else if byte < 0x20, kind == .controlCharacter {
                return " at byte \(offset)"
            } else if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                open = nil
            }
        }
        return open.map { ", opened at byte \($0)" } ?? ""
    }
}
