private import CSimdjson
private import Glibc

/// Reads JSON texts one after the other. The bytes that its values show belong to the text or to the reader.
@safe package struct JSONReader: ~Copyable {
    // The parser is this value's own: it is destroyed with it, and no copy exists.
    private let parser: OpaquePointer

    /// Most arrays and objects within one another.
    static let depthLimit = Int(CSIMDJSON_DEPTH_LIMIT)

    init() {
        unsafe parser = csimdjson_parser_create(Field.keyTable)
    }

    /// A reader that steps over what its keys do not name, unchecked but for brackets, quotes and UTF-8.
    ///
    /// - Parameter keyTable: paths of keys, each ended by a line feed; `a.b` is the member `b` of the member `a`.
    package init(skippingAllBut keyTable: String) {
        unsafe parser = csimdjson_skipping_parser_create(keyTable)
    }

    deinit {
        unsafe csimdjson_parser_destroy(parser)
    }

    /// What a text or an element is.
    package enum Content {
        case object, array, null, scalar
    }

    /// Begins a text; of a scalar nothing is left to read.
    ///
    /// - Parameter text: a body or a part of one.
    package mutating func open(_ text: JSONText) throws(JSONFault) -> Content {
        var type = csimdjson_type_absent
        let status = unsafe text.withUnsafeBytes { bytes in
            unsafe csimdjson_open(parser, bytes.baseAddress, bytes.count, &type)
        }
        try check(status)
        return Content(type)
    }

    /// Reads the object that the text is, to the end of the text.
    package mutating func readObject() throws(JSONFault) -> JSONObject {
        var object = unsafe csimdjson_object()
        try check(unsafe csimdjson_read_object(parser, &object))
        return unsafe JSONObject(object)
    }

    /// One element of an array.
    package enum Element {
        case object(JSONObject)
        case other(JSONValue)
    }

    /// Reads the next element of the array that the text is; `nil` at its end, which is the end of the text too.
    package mutating func nextElement() throws(JSONFault) -> Element? {
        var value = unsafe csimdjson_value()
        var object = unsafe csimdjson_object()
        let status = unsafe csimdjson_next_element(parser, &value, &object)
        if status == csimdjson_status_end { return nil }
        try check(status)
        return unsafe value.type == csimdjson_type_object ? .object(JSONObject(object)) : .other(JSONValue(value))
    }

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

/// The members of an object that have known keys, and the other keys. Valid until the next call of its reader.
@safe package struct JSONObject {
    // The pointers lead into the reader; no value of this type outlives the reading of its record.
    private let object: csimdjson_object

    @unsafe fileprivate init(_ object: csimdjson_object) {
        unsafe self.object = object
    }

    /// The value at a place of the reader's key table, which has one there.
    package subscript(place place: Int) -> JSONValue {
        unsafe JSONValue(object.values[place])
    }

    /// Keys that are no field's, as often as they occur.
    var unknownKeyCount: Int { unsafe object.unknown_count }

    func unknownKey(_ index: Int) -> JSONText {
        precondition(index >= 0 && index < unknownKeyCount)
        let key = unsafe object.unknown_keys[index]
        return unsafe JSONText(UnsafeBufferPointer(start: key.start, count: key.length))
    }
}

extension JSONObject: RecordFields {
    subscript(field: Field) -> JSONValue { self[place: field.rawValue] }
}

/// One value of an object.
package enum JSONValue {
    case absent
    case null
    case boolean(JSONText)
    /// As it was written: the grammar of RFC 8259, section 6.
    case number(JSONText)
    /// Without quotes and escapes.
    case string(JSONText)
    /// As it was written, where unread values are skipped.
    case array(JSONText)
    case object
    /// The key stands in the object more than once.
    case repeated
    /// No JSON; found only where unread values are skipped.
    case malformed

    fileprivate init(_ value: csimdjson_value) {
        let text = unsafe JSONText(UnsafeBufferPointer(start: value.start, count: Int(value.length)))
        if unsafe value.is_repeated {
            self = .repeated
            return
        }
        switch unsafe value.type {
        case csimdjson_type_null: self = .null
        case csimdjson_type_boolean: self = .boolean(text)
        case csimdjson_type_number: self = .number(text)
        case csimdjson_type_string: self = .string(text)
        case csimdjson_type_array: self = .array(text)
        case csimdjson_type_object: self = .object
        case csimdjson_type_malformed: self = .malformed
        default: self = .absent
        }
    }
}

/// A body, a line of it, or a key, string or number of its JSON.
///
/// Keys, strings and numbers are valid UTF-8, and valid until the next call of their reader.
@safe package struct JSONText: RandomAccessCollection {
    // No value of this type outlives the decoding of its body.
    private let bytes: UnsafeBufferPointer<UInt8>

    /// - Parameter bytes: stay in place for as long as this value is used. `PaddedBytes.padding` readable bytes follow
    ///   a body, and so each part of it, as `JSONReader.open` needs them.
    @unsafe package init(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe self.bytes = bytes
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { unsafe bytes.count }
    // Checked: `UnsafeBufferPointer` checks its index in debug builds only.
    package subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < endIndex)
        return unsafe bytes[index]
    }

    @unsafe func withUnsafeBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        unsafe body(bytes)
    }

    /// Without `prefix` bytes at the start and `suffix` bytes at the end.
    func trimmed(prefix: Int, suffix: Int) -> JSONText {
        precondition(prefix >= 0 && suffix >= 0 && prefix + suffix <= count)
        return unsafe JSONText(UnsafeBufferPointer(rebasing: bytes[prefix..<(bytes.count - suffix)]))
    }

    var firstLineFeed: Int? {
        guard let start = unsafe bytes.baseAddress, let feed = unsafe memchr(start, Int32(UInt8(ascii: "\n")), count)
        else { return nil }
        return unsafe UnsafeRawPointer(feed) - UnsafeRawPointer(start)
    }

    package var string: String { unsafe String(decoding: bytes, as: UTF8.self) }

    /// The `Double` nearest to a number; infinite where it is past all of them.
    package var double: Double { unsafe csimdjson_double(bytes.baseAddress, bytes.count) }

    func equals(_ other: [UInt8]) -> Bool {
        guard other.count == count, let start = unsafe bytes.baseAddress else { return other.isEmpty && isEmpty }
        return unsafe memcmp(start, other, count) == 0
    }
}

/// Why a text is not JSON.
package struct JSONFault: Error {
    let kind: Kind
    /// In bytes from the start of the text; the token at which reading stopped, where one was reached.
    let offset: Int

    enum Kind {
        case syntax, unclosedString, controlCharacter, escape, encoding, number, incomplete, trailing, depth, tooLong

        fileprivate init(_ status: csimdjson_status) {
            switch status {
            case csimdjson_status_unclosed_string: self = .unclosedString
            case csimdjson_status_control_character: self = .controlCharacter
            case csimdjson_status_escape: self = .escape
            case csimdjson_status_encoding: self = .encoding
            case csimdjson_status_number: self = .number
            case csimdjson_status_incomplete: self = .incomplete
            case csimdjson_status_trailing: self = .trailing
            case csimdjson_status_depth: self = .depth
            case csimdjson_status_too_long: self = .tooLong
            default: self = .syntax
            }
        }
    }
}
