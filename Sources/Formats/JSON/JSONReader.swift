private import CSimdjson

/// Reads JSON texts one after the other. The bytes that its values show belong to the text or to the reader.
@safe struct JSONReader: ~Copyable {
    // Safe: the parser is this value's own: it is destroyed with it, and no copy exists.
    private let parser: OpaquePointer

    /// A reader that checks the whole text.
    ///
    /// - Parameter keyTable: the keys whose values it returns, each ended by a line feed.
    init(keyTable: String) {
        unsafe parser = csimdjson_parser_create(keyTable)
    }

    /// A reader that steps over what its keys do not name. It checks the quotes and the UTF-8 of that, and brackets
    /// only as far as it needs to find the end.
    ///
    /// - Parameter keyTable: paths of keys, each ended by a line feed; `a.b` is the member `b` of the member `a`.
    init(skippingAllBut keyTable: String) {
        unsafe parser = csimdjson_skipping_parser_create(keyTable)
    }

    deinit {
        unsafe csimdjson_parser_destroy(parser)
    }

    /// The type of a text.
    enum Content {
        case object, array, null, scalar
    }

    /// Begins a text. A scalar is read to its end at once.
    ///
    /// - Parameter text: a body or a part of one.
    mutating func open(_ text: BorrowedBytes) throws(JSONFault) -> Content {
        var type = csimdjson_type_absent
        let status = unsafe text.withUnsafeBytes { bytes in
            unsafe csimdjson_open(parser, bytes.baseAddress, bytes.count, &type)
        }
        try check(status)
        return Content(type)
    }

    /// Reads the object that the text is, to the end of the text.
    mutating func readObject() throws(JSONFault) -> JSONObject {
        var object = unsafe csimdjson_object()
        try check(unsafe csimdjson_read_object(parser, &object))
        return unsafe JSONObject(object)
    }

    /// One element of an array.
    enum Element {
        case object(JSONObject)
        case other(JSONValue)
    }

    /// Reads the next element of the array that the text is; `nil` at its end, which is the end of the text too.
    mutating func nextElement() throws(JSONFault) -> Element? {
        var value = unsafe csimdjson_value()
        var object = unsafe csimdjson_object()
        let status = unsafe csimdjson_next_element(parser, &value, &object)
        if status == csimdjson_status_end { return nil }
        try check(status)
        return unsafe value.type == csimdjson_type_object ? .object(JSONObject(object)) : .other(JSONValue(value))
    }

    /// The offset of the element that `nextElement` returned, in the text.
    var elementOffset: Int { unsafe csimdjson_element_offset(parser) }

    private func check(_ status: csimdjson_status) throws(JSONFault) {
        guard status != csimdjson_status_found else { return }
        throw JSONFault(kind: JSONFault.Kind(status), offset: unsafe csimdjson_offset(parser))
    }
}

extension JSONReader.Content {
    fileprivate init(_ type: csimdjson_type) {
        switch type {
        case csimdjson_type_object: self = .object
        case csimdjson_type_array: self = .array
        case csimdjson_type_null: self = .null
        default: self = .scalar
        }
    }
}
