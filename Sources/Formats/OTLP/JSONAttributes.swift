internal import Model

/// Reads the attributes of OTLP in JSON, the same for all signals.
///
/// A value of the wrong type counts as absent.
struct JSONAttributes: ~Copyable {
    private var reader = JSONReader(
        skippingAllBut: "key\nvalue.stringValue\nvalue.boolValue\nvalue.intValue\nvalue.doubleValue\n")

    /// Calls `body` with the name and the value of each attribute that has both.
    mutating func forEach(
        of value: JSONValue, _ body: (BorrowedBytes, BorrowedValue) -> Void
    ) throws(JSONFault) {
        guard case .array(let text) = value else { return }
        _ = try reader.open(text)
        while let element = try reader.nextElement() {
            guard case .object(let attribute) = element, let name = attribute[place: 0].text,
                let value = BorrowedValue(attribute)
            else { continue }
            body(name, value)
        }
    }
}

extension BorrowedValue {
    /// - Parameter attribute: its members as `JSONAttributes` names them.
    fileprivate init?(_ attribute: JSONObject) {
        if let text = attribute[place: 1].text {
            self = .text(text)
        } else if case .boolean(let token) = attribute[place: 2] {
            self = .boolean(token.elementsEqual("true".utf8))
        } else if let token = attribute[place: 3].digits {
            self = Int64(token.string).map { .integer($0) } ?? .double(token.double)
        } else if let token = attribute[place: 4].digits {
            self = .double(token.double)
        } else if let text = attribute[place: 4].text {
            // `NaN` and infinities are text in protobuf's JSON.
            guard let number = Double(text.string), !number.isFinite else { return nil }
            self = .double(number)
        } else {
            return nil
        }
    }
}

extension JSONValue {
    var text: BorrowedBytes? {
        if case .string(let text) = self { text } else { nil }
    }

    var string: String? { text?.string }

    /// A number, or a text that is one.
    var digits: BorrowedBytes? {
        switch self {
        case .number(let token): token
        case .string(let text): DecimalNumber(text) == nil ? nil : text
        default: nil
        }
    }

    var unsigned: UInt64? {
        guard let digits else { return nil }
        if let number = UInt64(digits.string) { return number }
        guard let number = DecimalNumber(digits), !number.isNegative else { return nil }
        return number.magnitude(scale: 0).flatMap { UInt64(exactly: $0) }
    }
}
