private import CSimdjson

/// The members of the JSON object that a price file is.
enum PriceFileMembers {
    /// Reads one member after the other: all values of a price table at once take many times the memory of its prices.
    ///
    /// - Throws: with the line, if the text is not JSON (RFC 8259) or not an object; with the line and the key, what
    ///   `body` throws.
    static func forEach(
        in text: borrowing Span<UInt8>, _ body: (String, PriceFileValue) throws(PriceFileValue.Fault) -> Void
    ) throws(PriceFault) {
        // A byte order mark, which some editors write, may be ignored (RFC 8259, section 8.1).
        let hasMark = text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF
        let text = hasMark ? text.extracting(droppingFirst: 3) : copy text
        // Safe: the tree copies the text, and what it shows is copied before its next call.
        let tree = unsafe text.withUnsafeBufferPointer { unsafe csimdjson_tree_create($0.baseAddress, $0.count) }
        defer { unsafe csimdjson_tree_destroy(tree) }
        var isObject = false
        var status = unsafe csimdjson_tree_open(tree, &isObject)
        if status == csimdjson_status_found, !isObject { throw PriceFault("must be a JSON object") }
        while status == csimdjson_status_found {
            var nodes: UnsafePointer<csimdjson_node>?
            var count = 0
            status = unsafe csimdjson_tree_next(tree, &nodes, &count)
            guard status == csimdjson_status_found else { break }
            var reader = unsafe NodeReader(nodes: UnsafeBufferPointer(start: nodes, count: count))
            let key = reader.nextName()
            do throws(PriceFileValue.Fault) {
                try body(key, reader.next(named: ""))
            } catch {
                throw PriceFault(error, in: key)
            }
        }
        guard status == csimdjson_status_end else {
            throw PriceFault(status, in: text, line: unsafe csimdjson_tree_line(tree))
        }
    }
}

/// Copies the nodes of one member, one after the other.
@safe private struct NodeReader {
    // Safe: used between two calls of the tree that owns the nodes and their texts.
    private let nodes: UnsafeBufferPointer<csimdjson_node>
    private var place = 0

    init(nodes: UnsafeBufferPointer<csimdjson_node>) { unsafe self.nodes = nodes }

    func nextName() -> String {
        let key = unsafe nodes[place].key
        return unsafe String(decoding: UnsafeBufferPointer(start: key.start, count: key.length), as: UTF8.self)
    }

    /// - Parameter name: the field that the value belongs to, for errors.
    mutating func next(named name: String) -> PriceFileValue {
        let node = unsafe nodes[place]
        let end = unsafe place + node.count
        let bytes = unsafe UnsafeBufferPointer(start: node.value.start, count: Int(node.value.length))
        place += 1
        let content: PriceFileValue.Content
        switch unsafe node.value.type {
        case csimdjson_type_object:
            var members: [(name: String, value: PriceFileValue)] = []
            while place <= end {
                let name = nextName()
                members.append((name, next(named: name)))
            }
            content = .object(members)
        case csimdjson_type_array:
            var elements: [PriceFileValue] = []
            while place <= end { elements.append(next(named: name)) }
            content = .list(elements)
        case csimdjson_type_number: content = .number(unsafe Array(bytes))
        case csimdjson_type_string: content = .string(unsafe String(decoding: bytes, as: UTF8.self))
        case csimdjson_type_boolean: content = .boolean
        default: content = .null
        }
        return PriceFileValue(content: content, line: unsafe node.line, name: name)
    }
}

extension PriceFault {
    init(_ fault: PriceFileValue.Fault, in key: String) {
        self.init("line \(fault.line): \"\(key)\": \(fault.text)")
    }

    /// - Parameter line: of the last token that was understood. simdjson checks bytes and quotes first, and has then
    ///   understood none.
    fileprivate init(_ status: csimdjson_status, in text: borrowing Span<UInt8>, line: Int) {
        switch status {
        case csimdjson_status_encoding: self.init("not UTF-8: look at line \(Self.lineOfInvalidByte(in: text))")
        case csimdjson_status_depth: self.init("nested too deep: look at line \(line) and what follows")
        case csimdjson_status_unclosed_string: self.init("not JSON: a text is not closed by a quote")
        case csimdjson_status_control_character:
            self.init(
                "not JSON: a text has a line break, a tab or another control character in it; escape it, as in \\n")
        case csimdjson_status_too_long: self.init("too long")
        default: self.init("not JSON: look at line \(line) and what follows")
        }
    }

    private static func lineOfInvalidByte(in text: borrowing Span<UInt8>) -> Int {
        var valid = 0
        do throws(UTF8.ValidationError) {
            valid = try UTF8Span(validating: copy text).count
        } catch {
            valid = error.byteOffsets.lowerBound
        }
        return (0..<valid).count { text[$0] == UInt8(ascii: "\n") } + 1
    }
}
