/// Warnings for the sender of a body whose records were taken: each thing once, and few of them.
struct BodyWarnings {
    /// Occurrences of unknown fields.
    private(set) var unknownFields = 0

    private var names: [(prefix: [UInt8], isClipped: Bool, text: String)] = []
    private var otherOccurrences = 0
    private var ignoredErrorType: Int?
    private var unknownServiceTiers: [(name: String, index: Int)] = []
    /// By field, the first record that is counted without it.
    private var omitted: [Field: Int] = [:]

    /// Most names in warnings; further ones are only counted, so that a hostile body costs no memory.
    private static let nameLimit = 20
    /// Bytes of a name that are compared. Longer than what is shown.
    private static let prefixBytes = 48

    mutating func noteUnknownFields(of object: JSONObject, index: Int) {
        let count = object.unknownKeyCount
        guard count > 0 else { return }
        unknownFields += count
        for place in 0..<count { note(object.unknownKey(place), index: index) }
    }

    mutating func noteIgnoredErrorType(index: Int) {
        ignoredErrorType = ignoredErrorType ?? index
    }

    mutating func noteUnknownServiceTier(_ name: String, index: Int) {
        guard unknownServiceTiers.count < Self.nameLimit, !unknownServiceTiers.contains(where: { $0.name == name })
        else { return }
        unknownServiceTiers.append((name, index))
    }

    mutating func noteOmitted(_ field: Field, index: Int) {
        if omitted[field] == nil { omitted[field] = index }
    }

    private mutating func note(_ name: BorrowedBytes, index: Int) {
        let isClipped = name.count > Self.prefixBytes
        let prefix = isClipped ? name.trimmed(prefix: 0, suffix: name.count - Self.prefixBytes) : name
        if names.contains(where: { $0.isClipped == isClipped && prefix.elementsEqual($0.prefix) }) { return }
        guard names.count < Self.nameLimit else {
            otherOccurrences += 1
            return
        }
        let text = "unknown field \"\(Excerpt(name))\" ignored (first in record \(index))"
        names.append((Array(prefix), isClipped, text))
    }

    var messages: [String] {
        var messages: [String] = []
        if let ignoredErrorType {
            messages.append(
                "error_type ignored because status is success (first in record \(ignoredErrorType)); "
                    + "send a status other than success with it")
        }
        for field in Field.allCases {
            guard let index = omitted[field] else { continue }
            messages.append("\(field.name) breaks a rule and was left out (first in record \(index)); the call counts")
        }
        for (name, index) in unknownServiceTiers {
            messages.append(
                "service_tier \"\(name)\" is not known and was taken for the standard one (first in record \(index)); "
                    + "batch, flex and priority have prices of their own")
        }
        // Two names that differ only after what is shown give one warning.
        for name in names where !messages.contains(name.text) { messages.append(name.text) }
        if otherOccurrences > 0 { messages.append("and \(otherOccurrences) more fields that are unknown") }
        return messages
    }
}
