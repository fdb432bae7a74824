/// Why a record was not counted.
package struct RecordRejection: Error, Sendable, Equatable {
    /// The name of the field at fault; `nil` if it is the record as a whole.
    package let field: String?
    package let code: Code
    /// The fault and its remedy, for a person.
    package let message: String

    package init(field: String? = nil, code: Code, message: String) {
        self.field = field
        self.code = code
        self.message = message
    }

    /// The codes of docs/decisions.md, "Codes of rejected records".
    package enum Code: String, Sendable, CaseIterable {
        case missing
        case wrongType = "wrong_type"
        case notInteger = "not_integer"
        case outOfRange = "out_of_range"
        case empty
        case tooLong = "too_long"
        case controlCharacter = "control_character"
        case reserved
        case invalidFormat = "invalid_format"
        case inconsistent
        case duplicateKey = "duplicate_key"
        case notAnObject = "not_an_object"
        case malformedJSON = "malformed_json"
        case idReused = "id_reused"
        case totalOverflow = "total_overflow"
    }
}

extension RecordRejection {
    static var reusedID: RecordRejection {
        RecordRejection(
            field: "id", code: .idReused,
            message: "this id was sent before with other content; "
                + "a retry repeats the record unchanged, a new call needs a new id")
    }

    static func overflow(of family: String, field: String) -> RecordRejection {
        RecordRejection(
            field: field, code: .totalOverflow,
            message: "\(family) of this set would pass its largest value; reset or forget the set to start again at 0")
    }
}
