/// The class of an error, as an `error_type`, out of what programs write for it.
package enum ErrorClass {
    /// The class without its module: `RateLimitError`, of `openai.RateLimitError` and of `<class 'openai.RateLimitError'>`,
    /// which is how Python prints it.
    ///
    /// - Returns: `nil` where what is left is no `error_type` (contract section 3).
    package static func name<Text: BidirectionalCollection<UInt8>>(in text: Text) -> Text.SubSequence? {
        var name = text[...]
        if name.starts(with: "<class '".utf8), name.suffix(2).elementsEqual("'>".utf8) {
            name = name.dropFirst(8).dropLast(2)
        }
        if let point = name.lastIndex(of: UInt8(ascii: ".")) { name = name[name.index(after: point)...] }
        return name.isErrorType ? name : nil
    }
}
