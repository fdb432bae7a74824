/// The models that a report names, as digests of their names without what senders add to them.
package struct ModelNames: Hashable, Sendable {
    /// 0 is none.
    private var requested: UInt64 = 0
    private var answered: UInt64 = 0

    /// - Parameters:
    ///   - requested: the model that was asked for.
    ///   - answered: the model that answered.
    package init(requested: String?, answered: String?) {
        self.requested = requested.map(Self.digest) ?? 0
        self.answered = answered.map(Self.digest) ?? 0
    }

    private var isEmpty: Bool { requested == 0 && answered == 0 }

    /// Whether both may be of one call: `openai/gpt-4o` and `gpt-4o-2024-08-06` are one model, and a report that names
    /// none may be of any.
    package func isCompatible(with other: ModelNames) -> Bool {
        if isEmpty || other.isEmpty { return true }
        return contains(other.requested) || contains(other.answered)
    }

    private func contains(_ digest: UInt64) -> Bool {
        digest != 0 && (digest == requested || digest == answered)
    }

    /// FNV-1a of the name in lower case. Names that meet by chance are of one process and have the same tokens, or one
    /// span is inside the other: a better hash would not show.
    private static func digest(_ name: String) -> UInt64 {
        let bytes = name.utf8Span.span
        var start = 0
        for place in bytes.indices where bytes[place] == UInt8(ascii: "/") { start = place + 1 }
        var digest: UInt64 = 0xCBF2_9CE4_8422_2325
        for place in start..<max(start, bytes.count - bytes.dateLength) {
            let byte = bytes[place]
            let isUpper = byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
            digest = (digest ^ UInt64(isUpper ? byte | 0x20 : byte)) &* 0x100_0000_01B3
        }
        return digest | 1
    }
}

extension String {
    /// Without the date at its end: `-2024-08-06`, `-20250929` or `@20250929`; `nil` if there is none.
    package var withoutDate: Substring? {
        let length = utf8Span.span.dateLength
        return length == 0 ? nil : self[..<utf8.index(endIndex, offsetBy: -length)]
    }
}

extension Span<UInt8> {
    /// The bytes of the date at the end of a model's name that is longer; 0 if there is none.
    fileprivate var dateLength: Int {
        guard count > 9, hasDigits(count - 1..<count) else { return 0 }
        let (hyphen, at) = (UInt8(ascii: "-"), UInt8(ascii: "@"))
        if self[count - 9] == hyphen || self[count - 9] == at, hasDigits(count - 8..<count) { return 9 }
        guard count > 11, self[count - 11] == hyphen, self[count - 6] == hyphen, self[count - 3] == hyphen,
            hasDigits(count - 10..<count - 6), hasDigits(count - 5..<count - 3), hasDigits(count - 2..<count)
        else { return 0 }
        return 11
    }

    private func hasDigits(_ places: Range<Int>) -> Bool {
        for place in places where self[place] < UInt8(ascii: "0") || self[place] > UInt8(ascii: "9") { return false }
        return true
    }
}
