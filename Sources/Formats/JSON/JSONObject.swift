internal import CSimdjson

/// The members of an object that have known keys, and the other keys. Valid until the next call of its reader.
@safe struct JSONObject {
    // Safe: the pointers lead into the reader; no value of this type outlives the reading of its record.
    private let object: csimdjson_object

    @unsafe init(_ object: csimdjson_object) {
        unsafe self.object = object
    }

    /// The value at a place of the reader's key table, which has one there.
    subscript(place place: Int) -> JSONValue {
        unsafe JSONValue(object.values[place])
    }

    /// Whether there is a value, null included.
    func has(place: Int) -> Bool { unsafe object.values[place].type != csimdjson_type_absent }

    /// Keys that the table lacks, as often as they occur.
    var unknownKeyCount: Int { unsafe object.unknown_count }

    func unknownKey(_ index: Int) -> BorrowedBytes {
        precondition(index >= 0 && index < unknownKeyCount)
        let key = unsafe object.unknown_keys[index]
        return unsafe BorrowedBytes(UnsafeBufferPointer(start: key.start, count: key.length))
    }
}
