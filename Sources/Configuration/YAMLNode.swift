/// A value of a YAML document, and the line where it begins.
struct YAMLNode {
    let content: Content
    /// From 1.
    let line: Int

    enum Content {
        /// - Parameter isPlain: whether it is written without quotes, and so may be a number or null.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        case mapping([(key: YAMLNode, value: YAMLNode)])
    }

    /// Why a text is not a YAML document.
    struct Fault: Error {
        let line: Int?
        let text: String
    }

    /// Reads the one document of a text; `nil` if it has none.
    static func document(_ text: String) throws(Fault) -> YAMLNode? {
        var composer = YAMLComposer(events: try YAMLEvents(text))
        return try composer.onlyDocument()
    }
}
