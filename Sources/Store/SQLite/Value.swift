/// A value of a column (SQLite, "Datatypes In SQLite", section 2).
enum Value: Equatable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case bytes([UInt8])

    init(_ integer: Int64?) {
        self = integer.map(Value.integer) ?? .null
    }

    init(_ real: Double?) {
        self = real.map(Value.real) ?? .null
    }

    init(_ text: String?) {
        self = text.map(Value.text) ?? .null
    }
}
