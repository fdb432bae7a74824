/// The fields of one protobuf message, in the order in which they lie in its bytes (protobuf.dev, "Encoding").
///
/// Checks the message itself to its end, not the messages within it: those are byte strings, each for a reader of its
/// own.
@safe struct ProtobufReader {
    // Safe: `next` moves forward by what `count` has room for, and by nothing else.
    private var next: UnsafeRawPointer?
    /// Bytes that are left.
    private var count: Int

    /// Most groups within one another, as in Google's parsers.
    static let groupDepthLimit = 100

    /// - Parameter message: its bytes, which stay in place while this value, and what it returns, is used.
    init(_ message: BorrowedBytes) {
        (unsafe next, count) = unsafe message.withUnsafeBytes { bytes in
            unsafe (UnsafeRawPointer(bytes.baseAddress), bytes.count)
        }
    }

    struct Field {
        /// 1 or more.
        let number: UInt32
        let value: Value
    }

    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        case fixed32(UInt32)
        /// A string, bytes, or a message.
        case bytes(BorrowedBytes)
        /// Read to its end, and not returned.
        case group
    }

    /// Reads the next field; `nil` at the end of the message.
    ///
    /// - Throws: if the bytes are not a field, or the message ends within it. The reader is then of no more use.
    mutating func nextField() throws(ProtobufFault) -> Field? {
        guard count > 0 else { return nil }
        let (number, wireType) = try tag()
        return Field(number: number, value: try value(wireType, of: number, depth: 0))
    }

    private mutating func tag() throws(ProtobufFault) -> (number: UInt32, wireType: UInt32) {
        let start = count
        let tag = try varint()
        // 32 bits, in five bytes at most.
        guard tag <= UInt64(UInt32.max), start - count <= 5, tag >= 8 else { throw ProtobufFault() }
        return (UInt32(tag) >> 3, UInt32(tag) & 7)
    }

    private mutating func value(
        _ wireType: UInt32, of number: UInt32, depth: Int
    ) throws(ProtobufFault) -> Value {
        switch wireType {
        case 0: return .varint(try varint())
        case 1: return .fixed64(try fixed(UInt64.self))
        case 2:
            let length = try varint()
            guard length <= UInt64(count) else { throw ProtobufFault() }
            return .bytes(take(Int(length)))
        case 3:
            try skipGroup(number, depth: depth)
            return .group
        case 5: return .fixed32(try fixed(UInt32.self))
        // 4 ends a group that was not begun; 6 and 7 do not exist.
        default: throw ProtobufFault()
        }
    }

    private mutating func skipGroup(_ number: UInt32, depth: Int) throws(ProtobufFault) {
        guard depth < Self.groupDepthLimit else { throw ProtobufFault() }
        while true {
            // At the end of the message this throws: the group has none.
            let (inner, wireType) = try tag()
            if wireType == 4 {
                guard inner == number else { throw ProtobufFault() }
                return
            }
            _ = try value(wireType, of: inner, depth: depth + 1)
        }
    }

    /// 64 bits in ten bytes at most; bits beyond are ignored.
    private mutating func varint() throws(ProtobufFault) -> UInt64 {
        guard count > 0, let start = unsafe next else { throw ProtobufFault() }
        let first = unsafe start.load(as: UInt8.self)
        if first < 0x80 {
            unsafe next = start + 1
            count -= 1
            return UInt64(first)
        }
        var value = UInt64(first & 0x7F)
        for place in 1..<min(count, 10) {
            let byte = unsafe start.load(fromByteOffset: place, as: UInt8.self)
            value |= UInt64(byte & 0x7F) << UInt64(7 * place)
            if byte < 0x80 {
                unsafe next = start + place + 1
                count -= place + 1
                return value
            }
        }
        throw ProtobufFault()
    }

    private mutating func fixed<Number: FixedWidthInteger & BitwiseCopyable>(
        _: Number.Type
    ) throws(ProtobufFault) -> Number {
        let size = MemoryLayout<Number>.size
        guard count >= size, let start = unsafe next else { throw ProtobufFault() }
        unsafe next = start + size
        count -= size
        return Number(littleEndian: unsafe start.loadUnaligned(as: Number.self))
    }

    /// - Parameter length: no more than are left.
    private mutating func take(_ length: Int) -> BorrowedBytes {
        guard let start = unsafe next else { return unsafe BorrowedBytes(UnsafeBufferPointer(start: nil, count: 0)) }
        unsafe next = start + length
        count -= length
        return unsafe BorrowedBytes(
            UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: length))
    }
}

/// Bytes that are not a protobuf message.
struct ProtobufFault: Error {}
