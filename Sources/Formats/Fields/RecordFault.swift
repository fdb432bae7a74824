internal import Model

/// Which rule a record breaks, and what was seen: a plain value. Its message is made only if an answer lists it,
/// because a body may hold millions of bad records.
enum RecordFault: Error {
    /// All required fields that are missing, so that a sender need not find them one by one.
    case missing(RequiredFields, isStart: Bool)
    case duplicateKey(Field)
    case wrongType(Field, SeenValue, expected: StaticString)
    case loneSurrogate(Field)
    case notInteger(Field, Excerpt, bound: Int64)
    case outOfRange(Field, Excerpt, bound: Int64)
    /// A timestamp before 1970.
    case timeBelowZero(Excerpt)
    case empty(Field, limitBytes: Int)
    case tooLong(Field, Excerpt, bytes: Int, limitBytes: Int)
    case controlCharacter(Field, Excerpt)
    case reserved(Field, Excerpt)
    case invalidFormat(Field, Excerpt, expected: StaticString)
    /// - taken: what another part takes of the whole.
    case inconsistent(Field, Int64, of: Field, Int64?, taken: Int64)
    /// Both in microseconds.
    case firstTokenPastLatency(Int64, latency: Int64)
    case notAnObject
    /// An object in which nothing describes a call.
    case noCall(StaticString)

    // Not inlined: faults are rare, and the code of an excerpt would slow down the reading of each field.
    @inline(never)
    static func missing(_ field: Field, in record: some RecordFields, isStart: Bool) -> RecordFault {
        .missing(RequiredFields(missing: field, in: record, isStart: isStart), isStart: isStart)
    }

    @inline(never)
    static func wrongType(_ field: Field, _ value: JSONValue, expected: StaticString) -> RecordFault {
        .wrongType(field, SeenValue(value), expected: expected)
    }

    @inline(never)
    static func invalidFormat(_ field: Field, _ text: BorrowedBytes, expected: StaticString) -> RecordFault {
        .invalidFormat(field, Excerpt(text), expected: expected)
    }

    /// `nil` if the record as a whole is at fault.
    var field: Field? {
        switch self {
        case .missing(let fields, _): fields.first
        case .duplicateKey(let field), .wrongType(let field, _, _), .loneSurrogate(let field),
            .notInteger(let field, _, _),
            .outOfRange(let field, _, _), .empty(let field, _), .tooLong(let field, _, _, _),
            .controlCharacter(let field, _), .reserved(let field, _), .invalidFormat(let field, _, _),
            .inconsistent(let field, _, _, _, _):
            field
        case .timeBelowZero: .timestamp
        case .firstTokenPastLatency: .timeToFirstTokenMilliseconds
        case .notAnObject, .noCall: nil
        }
    }

    var code: RecordRejection.Code {
        switch self {
        case .missing, .noCall: .missing
        case .duplicateKey: .duplicateKey
        case .wrongType: .wrongType
        case .loneSurrogate: .invalidFormat
        case .notInteger: .notInteger
        case .outOfRange, .timeBelowZero: .outOfRange
        case .empty: .empty
        case .tooLong: .tooLong
        case .controlCharacter: .controlCharacter
        case .reserved: .reserved
        case .invalidFormat: .invalidFormat
        case .inconsistent, .firstTokenPastLatency: .inconsistent
        case .notAnObject: .notAnObject
        }
    }

    /// - Parameter line: the one that the record stands on, from 1; `nil` if records are not lines.
    func rejection(line: Int? = nil) -> RecordRejection {
        RecordRejection(field: field?.name, code: code, message: message, line: line)
    }

    /// What is wrong with which field, what was seen, and what to do.
    private var message: String {
        switch self {
        case .missing(let fields, let isStart): fields.message(isStart: isStart)
        case .duplicateKey(let field): "\(field.name) stands in the record twice; send it once"
        case .wrongType(let field, let seen, let expected): "\(field.name) is \(seen); send \(expected)"
        case .loneSurrogate(let field):
            "\(field.name) holds half of a surrogate pair, such as \\ud83d; cut texts between characters"
        case .notInteger(let field, let seen, let bound):
            "\(field.name) is \(seen); send a whole number from 0 to \(bound)"
        case .outOfRange(let field, let seen, let bound): "\(field.name) is \(seen); send a number from 0 to \(bound)"
        case .timeBelowZero(let seen): "timestamp is \(seen); seconds since 1970 begin at 0"
        case .empty(let field, let limit): "\(field.name) is empty; send 1 to \(limit) bytes of text"
        case .tooLong(let field, let seen, let bytes, let limit):
            "\(field.name) has \(bytes) bytes, \"\(seen)\"; send at most \(limit) bytes"
        case .controlCharacter(let field, let seen):
            "\(field.name) holds a control character, \"\(seen)\"; remove it"
        case .reserved(let field, let seen):
            "\(field.name) is \"\(seen)\"; names that begin with _ are the exporter's own"
        case .invalidFormat(let field, let seen, let expected): "\(field.name) is \"\(seen)\"; send \(expected)"
        case .inconsistent(let field, let part, let wholeField, let whole, let taken):
            "\(field.name) is \(part) but \(wholeField.name) is \(whole.map { "\($0)" } ?? "missing")"
                + (taken > 0 ? " and \(field.otherParts) \(taken)" : "")
                + "; \(wholeField.name) includes its parts"
        case .firstTokenPastLatency(let time, let latency):
            "ttft_ms is \(PlainDecimal.text(Int128(time), scale: 3)) but latency_ms is "
                + "\(PlainDecimal.text(Int128(latency), scale: 3)); the first token comes no later than the last"
        case .notAnObject: "the record is not a JSON object; send {\"agent_name\": …}"
        case .noCall(let message): "\(message)"
        }
    }
}

extension Field {
    /// The parts of the same whole that leave no room for this one.
    fileprivate var otherParts: String {
        self == .cacheWriteTokens ? "\(Field.cacheReadTokens.name) is" : "its other parts are"
    }
}

/// A set of the fields that a record must have.
struct RequiredFields: OptionSet {
    let rawValue: UInt8

    static let agentName = RequiredFields(rawValue: 1)
    static let provider = RequiredFields(rawValue: 2)
    static let model = RequiredFields(rawValue: 4)
    static let id = RequiredFields(rawValue: 8)

    private static let all: [(Field, RequiredFields)] = [
        (.agentName, .agentName), (.provider, .provider), (.model, .model), (.id, .id),
    ]

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// - Parameter field: one that is known to be missing.
    init(missing field: Field, in record: some RecordFields, isStart: Bool) {
        self = []
        for (other, option) in Self.all {
            let isRequired = isStart ? other == .agentName : other != .id
            if other == field || isRequired && record[other].isAbsent { insert(option) }
        }
    }

    fileprivate var first: Field? { Self.all.first { contains($0.1) }?.0 }

    fileprivate func message(isStart: Bool) -> String {
        let names = Self.all.filter { contains($0.1) }.map(\.0.name)
        let verb = names.count == 1 ? "is" : "are"
        let needs = isStart ? "a start needs agent_name and id" : "a record needs agent_name, provider and model"
        return "\(names.joined(separator: ", ")) \(verb) missing or null; \(needs)"
    }
}

/// A value of the wrong type, as a message shows it.
enum SeenValue: CustomStringConvertible {
    case null, array, object, loneSurrogate, malformed
    case boolean(Excerpt)
    case number(Excerpt)
    case string(Excerpt)

    init(_ value: JSONValue) {
        switch value {
        case .absent, .null, .repeated: self = .null
        case .boolean(let token): self = .boolean(Excerpt(token))
        case .number(let token): self = .number(Excerpt(token))
        case .string(let text): self = .string(Excerpt(text))
        case .array: self = .array
        case .object: self = .object
        case .loneSurrogate: self = .loneSurrogate
        case .malformed: self = .malformed
        }
    }

    var description: String {
        switch self {
        case .null: "null"
        case .boolean(let token): "\(token)"
        case .number(let token): "the number \(token)"
        case .string(let text): "the string \"\(text)\""
        case .array: "an array"
        case .object: "an object"
        case .loneSurrogate: "a string with half of a surrogate pair"
        case .malformed: "not JSON"
        }
    }
}

extension JSONValue {
    /// Whether the object lacks the key, or its value is null.
    var isAbsent: Bool {
        switch self {
        case .absent, .null: true
        default: false
        }
    }
}

extension RecordRejection {
    /// The rejection of a line that is not JSON.
    init(malformed fault: JSONFault, in text: BorrowedBytes, line: Int) {
        self.init(
            code: .malformedJSON,
            message: "the line is not JSON: \(fault.reason(in: text)); send one object a line", line: line)
    }

    fileprivate init(field: String? = nil, code: Code, message: String, line: Int?) {
        self.init(field: field, code: code, message: line.map { "\(message) (line \($0))" } ?? message)
    }
}
