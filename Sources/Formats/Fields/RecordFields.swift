/// The fields of one record, in whatever format they arrive.
protocol RecordFields {
    /// `absent` if the record lacks the field.
    subscript(field: Field) -> JSONValue { get }

    /// Whether the record has any of the fields at these places.
    func hasAny(at places: Range<Int>) -> Bool
}
