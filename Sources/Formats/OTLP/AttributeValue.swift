/// The value of an attribute. Arrays, maps and bytes are not read, and a blank text counts as absent: another attribute
/// may say more.
enum AttributeValue: Hashable {
    case text(String)
    case boolean(Bool)
    case integer(Int64)
    case double(Double)

    /// - Returns: `nil` for a blank text.
    init?(_ value: BorrowedValue) {
        if value.isBlank { return nil }
        switch value {
        case .text(let text): self = .text(text.string)
        case .boolean(let value): self = .boolean(value)
        case .integer(let number): self = .integer(number)
        case .double(let number): self = .double(number)
        }
    }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    var description: String {
        switch self {
        case .text(let text): text
        case .boolean(let value): "\(value)"
        case .integer(let number): "\(number)"
        case .double(let number): Int64(exactly: number).map { "\($0)" } ?? "\(number)"
        }
    }
}

/// The same as it lies in the body: made for each attribute, also for those that are not kept.
enum BorrowedValue {
    case text(BorrowedBytes)
    case boolean(Bool)
    case integer(Int64)
    case double(Double)

    var isBlank: Bool {
        if case .text(let text) = self { text.allSatisfy { $0 == UInt8(ascii: " ") } } else { false }
    }
}
