private import CYAML

/// A node of a YAML document, and the line where it begins.
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
}

extension YAMLNode {
    /// Why a text is no YAML document.
    struct Fault: Error {
        let line: Int?
        let text: String
    }

    /// Most nodes within one another, and most in all: aliases can make a short text a huge one, or an endless one.
    private static let depthLimit = 32
    private static let nodeLimit = 100_000
    private static let anchorLimit = 1000
    private static let tooDeep =
        "nested more than \(depthLimit) levels, or more than \(nodeLimit) values or \(anchorLimit) anchors"

    /// Reads the one document of a text (YAML 1.1, as libyaml reads it); `nil` where there is none.
    static func document(_ text: String) throws(Fault) -> YAMLNode? {
        var text = text
        var parser = unsafe yaml_parser_t()
        guard unsafe yaml_parser_initialize(&parser) == 1 else { throw Fault(line: nil, text: "no memory to read it") }
        defer { unsafe yaml_parser_delete(&parser) }
        // Safe: the parser reads the text within the closure alone.
        let result = text.withUTF8 { bytes -> Result<YAMLNode?, Fault> in
            unsafe yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
            do throws(Fault) {
                try unsafe checkSize(bytes)
                return .success(try unsafe onlyDocument(of: &parser))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// - Throws: where values nest too deep, or too many have names. Before they are loaded: libyaml takes time with the square
    ///   of either.
    @unsafe private static func checkSize(_ bytes: UnsafeBufferPointer<UInt8>) throws(Fault) {
        var parser = unsafe yaml_parser_t()
        guard unsafe yaml_parser_initialize(&parser) == 1 else { throw Fault(line: nil, text: "no memory to read it") }
        defer { unsafe yaml_parser_delete(&parser) }
        unsafe yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
        var depth = 0
        var anchors = 0
        while true {
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(&parser, &event) == 1 else { throw unsafe Fault(parser) }
            defer { unsafe yaml_event_delete(&event) }
            switch unsafe event.type {
            case YAML_SEQUENCE_START_EVENT:
                depth += 1
                anchors += unsafe event.data.sequence_start.anchor == nil ? 0 : 1
            case YAML_MAPPING_START_EVENT:
                depth += 1
                anchors += unsafe event.data.mapping_start.anchor == nil ? 0 : 1
            case YAML_SCALAR_EVENT: anchors += unsafe event.data.scalar.anchor == nil ? 0 : 1
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: depth -= 1
            case YAML_STREAM_END_EVENT: return
            default: break
            }
            // One level more than nodes may have, as a scalar is a node, too.
            guard depth < depthLimit + 1, anchors <= anchorLimit else {
                throw Fault(line: Int(unsafe event.start_mark.line) + 1, text: tooDeep)
            }
        }
    }

    @unsafe private static func onlyDocument(of parser: inout yaml_parser_t) throws(Fault) -> YAMLNode? {
        guard let (first, _) = try unsafe nextDocument(of: &parser) else { return nil }
        if let (_, line) = try unsafe nextDocument(of: &parser) {
            throw Fault(line: line, text: "a second document begins here; the file has one")
        }
        return first
    }

    @unsafe private static func nextDocument(of parser: inout yaml_parser_t) throws(Fault) -> (YAMLNode, line: Int)? {
        var document = unsafe yaml_document_t()
        guard unsafe yaml_parser_load(&parser, &document) == 1 else { throw unsafe Fault(parser) }
        defer { unsafe yaml_document_delete(&document) }
        guard unsafe yaml_document_get_root_node(&document) != nil else { return nil }
        var count = 0
        let line = Int(unsafe document.start_mark.line) + 1
        // The root is the first node.
        return (try unsafe node(1, of: &document, depth: 1, count: &count), line)
    }

    @unsafe private static func node(
        _ index: Int32, of document: inout yaml_document_t, depth: Int, count: inout Int
    ) throws(Fault) -> YAMLNode {
        guard let node = unsafe yaml_document_get_node(&document, index)?.pointee else {
            throw Fault(line: nil, text: "a node is missing")
        }
        let line = Int(unsafe node.start_mark.line) + 1
        count += 1
        guard depth <= depthLimit, count <= nodeLimit else {
            throw Fault(line: line, text: tooDeep)
        }
        switch unsafe node.type {
        case YAML_SCALAR_NODE:
            let scalar = unsafe node.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let isPlain = unsafe scalar.style == YAML_PLAIN_SCALAR_STYLE
            return YAMLNode(
                content: .scalar(unsafe String(decoding: bytes, as: UTF8.self), isPlain: isPlain), line: line)
        case YAML_SEQUENCE_NODE:
            let items = unsafe node.data.sequence.items
            let places = unsafe UnsafeBufferPointer(start: items.start, count: items.top - items.start)
            var elements: [YAMLNode] = []
            for place in unsafe Array(places) {
                elements.append(try unsafe self.node(place, of: &document, depth: depth + 1, count: &count))
            }
            return YAMLNode(content: .sequence(elements), line: line)
        case YAML_MAPPING_NODE:
            let pairs = unsafe node.data.mapping.pairs
            let places = unsafe UnsafeBufferPointer(start: pairs.start, count: pairs.top - pairs.start)
            var members: [(key: YAMLNode, value: YAMLNode)] = []
            for place in unsafe Array(places) {
                let key = try unsafe self.node(place.key, of: &document, depth: depth + 1, count: &count)
                let value = try unsafe self.node(place.value, of: &document, depth: depth + 1, count: &count)
                members.append((key, value))
            }
            return YAMLNode(content: .mapping(members), line: line)
        default: throw Fault(line: line, text: "a node of no known kind")
        }
    }
}

extension YAMLNode.Fault {
    @unsafe fileprivate init(_ parser: yaml_parser_t) {
        let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "it cannot be read"
        let context = unsafe parser.context.map { unsafe String(cString: $0) + ": " } ?? ""
        // A reader's error has an offset and no mark.
        let line = unsafe parser.error == YAML_READER_ERROR ? nil : Int(parser.problem_mark.line) + 1
        self.init(line: line, text: "not YAML: \(context)\(problem)")
    }
}
