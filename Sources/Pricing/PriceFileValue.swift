internal import Model

/// A JSON value in a price file, exactly as it was written: numbers are not rounded, and a key may occur twice.
struct PriceFileValue {
    let content: Content
    /// The line where it begins; from 1.
    let line: Int
    /// The field that it is the value of, or within; empty for an entry.
    let name: String

    enum Content {
        case null, boolean
        /// The token as it is written.
        case number([UInt8])
        case string(String)
        case list([PriceFileValue])
        /// In their order; a key may occur twice.
        case object([(name: String, value: PriceFileValue)])
    }
}

extension PriceFileValue: PriceValue {
    /// What is wrong with an entry, and the line.
    struct Fault: Error {
        let line: Int
        let text: String
    }

    static var isLenient: Bool { true }

    private static let form = "is not of the form that LiteLLM's table has"

    var isNull: Bool { if case .null = content { true } else { false } }
    var isList: Bool { if case .list = content { true } else { false } }

    func members() throws(Fault) -> [(name: String, value: PriceFileValue)] {
        guard case .object(let members) = content else { throw fault(Self.form) }
        return members
    }

    func elements() throws(Fault) -> [PriceFileValue] {
        guard case .list(let elements) = content else { throw fault(Self.form) }
        return elements
    }

    func text() throws(Fault) -> String {
        guard case .string(let text) = content else { throw fault(Self.form) }
        return text
    }

    func number() -> DecimalNumber? {
        guard case .number(let token) = content else { return nil }
        return DecimalNumber(token)
    }

    func numbers() -> [DecimalNumber?] {
        guard case .list(let elements) = content else { return [] }
        return elements.map { $0.number() }
    }

    func fault(_ text: String) -> Fault { Fault(line: line, text: name.isEmpty ? text : "\(name) \(text)") }

    func faultOfRange() -> Fault {
        Fault(line: line, text: "\(PriceField.rangeName) must be two whole numbers of tokens, as in [0, 32000]")
    }
}
