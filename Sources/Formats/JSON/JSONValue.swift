internal import CSimdjson

/// One value of an object.
enum JSONValue {
    case absent
    case null
    case boolean(BorrowedBytes)
    /// As it was written: the grammar of RFC 8259, section 6.
    case number(BorrowedBytes)
    /// Without quotes and escapes.
    case string(BorrowedBytes)
    /// As it was written, if its reader skips unread values.
    case array(BorrowedBytes)
    /// As it was written, if its reader skips unread values; else empty.
    case object(BorrowedBytes)
    /// A string that is JSON and yet no text: it holds half of a surrogate pair (RFC 8259, section 8.2).
    case loneSurrogate
    /// The object has the key more than once.
    case repeated
    /// Not JSON; found only by a reader that skips unread values.
    case malformed

    init(_ value: csimdjson_value) {
        // Safe: the text lives as long as the object that has the value.
        let text = unsafe BorrowedBytes(UnsafeBufferPointer(start: value.start, count: Int(value.length)))
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
        case csimdjson_type_object: self = .object(text)
        case csimdjson_type_lone_surrogate: self = .loneSurrogate
        case csimdjson_type_malformed: self = .malformed
        default: self = .absent
        }
    }
}

extension BorrowedBytes {
    /// The `Double` nearest to a JSON number; infinite if it is greater than all of them.
    var double: Double {
        unsafe withUnsafeBytes { bytes in unsafe csimdjson_double(bytes.baseAddress, bytes.count) }
    }
}
