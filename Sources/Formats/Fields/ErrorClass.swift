/// The class of an error, as an `error_type`, from what programs write for it.
enum ErrorClass {
    /// The class without its module: `RateLimitError` from `openai.RateLimitError` and from
    /// `<class 'openai.RateLimitError'>`, which is how Python prints it.
    ///
    /// - Returns: `nil` if the text is neither a class, with or without its module, nor an `error_type` as
    ///   docs/openapi.yaml allows it: what follows a point in a sentence is no class.
    static func name(in text: String) -> String? {
        name(in: text.utf8).map { String(decoding: $0, as: UTF8.self) }
    }

    static func name<Text: BidirectionalCollection<UInt8>>(in text: Text) -> Text.SubSequence? {
        var name = text[...]
        if name.starts(with: "<class '".utf8), name.suffix(2).elementsEqual("'>".utf8) {
            name = name.dropFirst(8).dropLast(2)
        }
        let parts = name.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count > 1 else { return name.isErrorType ? name : nil }
        return parts.allSatisfy(\.isIdentifier) ? parts.last : nil
    }
}

extension Collection<UInt8> {
    fileprivate var isIdentifier: Bool {
        isErrorType && first.map { $0 < UInt8(ascii: "0") || $0 > UInt8(ascii: "9") } == true
            && !contains(UInt8(ascii: "-")) && !contains(UInt8(ascii: ":"))
    }
}
