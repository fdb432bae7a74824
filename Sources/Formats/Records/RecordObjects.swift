internal import Model

/// Objects that are call records of docs/openapi.yaml.
struct RecordObjects: BodyObjects {
    private(set) var rules: RecordRules

    static let skipsNull = false
    static let takesSoundLines = false
    static let allowsByteOrderMark = false

    init(_ rules: RecordRules) {
        self.rules = rules
    }

    func agentName(of object: JSONObject) -> LabelValue? { object[.agentName].validName }

    mutating func read(
        _ object: JSONObject, index: Int, warnings: inout BodyWarnings
    ) throws(RecordFault) -> ReadObject {
        warnings.noteUnknownFields(of: object, index: index)
        return .event(try rules.event(of: object, index: index, warnings: &warnings))
    }
}

extension JSONObject: RecordFields {
    /// The object was read with `Field.keyTable`.
    subscript(field: Field) -> JSONValue { self[place: field.place] }

    func hasAny(at places: Range<Int>) -> Bool { places.contains { has(place: $0) } }
}
