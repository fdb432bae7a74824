private import CYAML

/// The events of a YAML text (YAML 1.1, as libyaml reads it), one after the other.
@safe final class YAMLEvents {
    // Safe: both are allocated here and freed by `deinit`. libyaml keeps pointers to both, so they must not move.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let text: UnsafeMutableBufferPointer<UInt8>

    struct Event {
        let kind: Kind
        /// The line where it begins; from 1.
        let line: Int
        /// The name by which an alias repeats the value that begins here.
        var anchor: String?
    }

    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd
        /// - Parameter isPlain: whether it is written without quotes, and so may be a number or null.
        case scalar(String, isPlain: Bool)
        case sequenceStart, mappingStart
        /// The end of a sequence or a mapping.
        case end
        /// A value that is written elsewhere.
        case alias(anchor: String)
    }

    init(_ text: String) throws(YAMLNode.Fault) {
        unsafe self.text = UnsafeMutableBufferPointer.allocate(capacity: text.utf8.count)
        _ = unsafe self.text.initialize(from: text.utf8)
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            throw YAMLNode.Fault(line: nil, text: "no memory to read it")
        }
        unsafe yaml_parser_set_input_string(parser, self.text.baseAddress, self.text.count)
    }

    deinit {
        // Safe: deleting a parser that could not be initialized does nothing.
        unsafe yaml_parser_delete(parser)
        unsafe parser.deallocate()
        unsafe text.deallocate()
    }

    func next() throws(YAMLNode.Fault) -> Event {
        // Safe: the event is deleted on return, and all of it that is returned is a copy. Each member of the union is
        // read only if the event's type says that it is the one in use.
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw fault() }
        defer { unsafe yaml_event_delete(&event) }
        let line = Int(unsafe event.start_mark.line) + 1
        let data = unsafe event.data
        switch unsafe event.type {
        case YAML_SCALAR_EVENT:
            let bytes = unsafe UnsafeBufferPointer(start: data.scalar.value, count: data.scalar.length)
            let isPlain = unsafe data.scalar.style == YAML_PLAIN_SCALAR_STYLE
            let kind = Kind.scalar(unsafe String(decoding: bytes, as: UTF8.self), isPlain: isPlain)
            return Event(kind: kind, line: line, anchor: unsafe Self.name(data.scalar.anchor))
        case YAML_SEQUENCE_START_EVENT:
            return Event(kind: .sequenceStart, line: line, anchor: unsafe Self.name(data.sequence_start.anchor))
        case YAML_MAPPING_START_EVENT:
            return Event(kind: .mappingStart, line: line, anchor: unsafe Self.name(data.mapping_start.anchor))
        case YAML_ALIAS_EVENT:
            return Event(kind: .alias(anchor: unsafe Self.name(data.alias.anchor) ?? ""), line: line)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return Event(kind: .end, line: line)
        case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, line: line)
        case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, line: line)
        case YAML_STREAM_START_EVENT: return Event(kind: .streamStart, line: line)
        default: return Event(kind: .streamEnd, line: line)
        }
    }

    private func fault() -> YAMLNode.Fault {
        // Safe: libyaml's texts are static, and copied at once.
        let parser = unsafe parser.pointee
        let problem = unsafe parser.problem.map { unsafe String(cString: $0) } ?? "it cannot be read"
        let context = unsafe parser.context.map { unsafe String(cString: $0) + ": " } ?? ""
        // An error of the reader has an offset and no line.
        let line = unsafe parser.error == YAML_READER_ERROR ? nil : Int(parser.problem_mark.line) + 1
        return YAMLNode.Fault(line: line, text: "not YAML: \(context)\(problem)")
    }

    @unsafe private static func name(_ anchor: UnsafePointer<yaml_char_t>?) -> String? {
        unsafe anchor.map { unsafe String(cString: $0) }
    }
}
