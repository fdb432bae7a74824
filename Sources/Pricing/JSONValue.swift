private import CSimdjson

/// A value of a JSON text, exactly as it was written: `JSONDecoder` rounds numbers, and shows one of two members with the same key.
struct JSONValue {
    let content: Content
    /// Where it begins; from 1.
    let line: Int

    enum Content {
        case null, boolean
        /// As it is written.
        case number([UInt8])
        case string(String)
        case array([JSONValue])
        /// In their order; a key may stand twice.
        case object([(key: String, value: JSONValue)])
    }

    /// Reads the members of the object that a text is, one after the other: all of a price table at once takes many times
    /// what is kept of it.
    ///
    /// - Throws: what `body` throws; with the line where the text is no JSON (RFC 8259), or no object.
    static func forEachMember(of text: [UInt8], _ body: (String, JSONValue) throws(PriceFault) -> Void)
        throws(PriceFault)
    {
        // A byte order mark, which some editors write, may be ignored (RFC 8259, section 8.1).
        let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(text.dropFirst(3)) : text
        let padded = text + [UInt8](repeating: 0, count: Int(CSIMDJSON_PADDING))
        // Safe: the parser and what it shows are used within the closure alone, and the text is padded as it asks.
        let fault = unsafe padded.withUnsafeBufferPointer { bytes -> PriceFault? in
            let parser = unsafe csimdjson_parser_create("")
            defer { unsafe csimdjson_parser_destroy(parser) }
            var type = csimdjson_type_absent
            var first: UnsafePointer<csimdjson_node>?
            var count = 0
            var status = unsafe csimdjson_open(parser, bytes.baseAddress, text.count, &type)
            if status == csimdjson_status_found { status = unsafe csimdjson_read_tree(parser, &first, &count) }
            guard status == csimdjson_status_found else {
                return unsafe PriceFault(status, in: text, after: csimdjson_offset(parser))
            }
            guard type == csimdjson_type_object else { return PriceFault("must be a JSON object") }
            var reader = unsafe TreeReader(text: bytes, nodes: UnsafeBufferPointer(start: first, count: count))
            do throws(PriceFault) {
                try reader.forEachMember(body)
                return nil
            } catch {
                return error
            }
        }
        if let fault { throw fault }
    }

    fileprivate init(_ content: Content, line: Int) {
        self.content = content
        self.line = line
    }

    var isNull: Bool { if case .null = content { true } else { false } }
    var number: [UInt8]? { if case .number(let token) = content { token } else { nil } }
    var string: String? { if case .string(let text) = content { text } else { nil } }
    var elements: [JSONValue]? { if case .array(let elements) = content { elements } else { nil } }
    var members: [(key: String, value: JSONValue)]? { if case .object(let members) = content { members } else { nil } }
}

/// Takes the nodes of a tree one after the other.
@safe private struct TreeReader {
    private let text: UnsafeBufferPointer<UInt8>
    private let nodes: UnsafeBufferPointer<csimdjson_node>
    private var place = 0
    private var line = 1
    /// To where lines are counted.
    private var offset = 0

    init(text: UnsafeBufferPointer<UInt8>, nodes: UnsafeBufferPointer<csimdjson_node>) {
        unsafe self.text = text
        unsafe self.nodes = nodes
    }

    /// Reads the members of the object that comes next.
    mutating func forEachMember(_ body: (String, JSONValue) throws(PriceFault) -> Void) throws(PriceFault) {
        let end = unsafe place + nodes[place].count
        place += 1
        while place <= end {
            let key = unsafe nodes[place].key
            let name = unsafe String(
                decoding: UnsafeBufferPointer(start: key.start, count: key.length), as: UTF8.self)
            try body(name, try next())
        }
    }

    private mutating func next() throws(PriceFault) -> JSONValue {
        let node = unsafe nodes[place]
        let end = unsafe place + node.count
        unsafe line += text[offset..<node.offset].count { $0 == UInt8(ascii: "\n") }
        offset = unsafe node.offset
        let line = line
        if unsafe node.value.type == csimdjson_type_object {
            var members: [(key: String, value: JSONValue)] = []
            try forEachMember { members.append(($0, $1)) }
            return JSONValue(.object(members), line: line)
        }
        place += 1
        let bytes = unsafe UnsafeBufferPointer(start: node.value.start, count: Int(node.value.length))
        switch unsafe node.value.type {
        case csimdjson_type_number: return JSONValue(.number(unsafe Array(bytes)), line: line)
        case csimdjson_type_string: return JSONValue(.string(unsafe String(decoding: bytes, as: UTF8.self)), line: line)
        case csimdjson_type_boolean: return JSONValue(.boolean, line: line)
        case csimdjson_type_array:
            var elements: [JSONValue] = []
            while place <= end { elements.append(try next()) }
            return JSONValue(.array(elements), line: line)
        default: return JSONValue(.null, line: line)
        }
    }
}

extension PriceFault {
    /// - Parameter offset: of the last token that was understood; simdjson looks at bytes and quotes before all else, and
    ///   then has understood none.
    fileprivate init(_ status: csimdjson_status, in text: [UInt8], after offset: Int) {
        func line(of offset: Int) -> Int { text.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1 }
        switch status {
        case csimdjson_status_encoding:
            var decoder = UTF8.ForwardParser()
            var bytes = text.makeIterator()
            var valid = 0
            while case .valid(let scalar) = decoder.parseScalar(from: &bytes) { valid += scalar.count }
            self.init("not UTF-8: look at line \(line(of: valid))")
        case csimdjson_status_depth: self.init("nested too deep: look at line \(line(of: offset)) and what follows")
        case csimdjson_status_unclosed_string: self.init("not JSON: a text is not closed by a quote")
        case csimdjson_status_control_character:
            self.init(
                "not JSON: a text has a line break, a tab or another control character in it; escape it, as in \\n")
        case csimdjson_status_too_long: self.init("too long")
        default: self.init("not JSON: look at line \(line(of: offset)) and what follows")
        }
    }
}
