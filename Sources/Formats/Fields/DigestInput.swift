private import CXXHash
internal import Model

/// Bytes of a digest, in a form that no two different contents share. The form is the same in all versions, because
/// digests are remembered across restarts.
struct DigestInput {
    private var bytes = [UInt8](repeating: 0, count: Self.initialCapacity)
    private var count = 0

    /// Enough for most contents: 3 names of 256 bytes, a status, an error type, 14 numbers, each with its field and
    /// length. It grows for a response model and more numbers.
    private static let initialCapacity = 1100

    mutating func removeAll() {
        count = 0
    }

    /// Absent fields are left out, so that a new field does not change the digests of records without it.
    mutating func append(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        append(number: field, value)
    }

    mutating func append(_ field: Field, _ value: Double?) {
        guard let value else { return }
        append(number: field, Int64(bitPattern: value.bitPattern))
    }

    mutating func append(_ field: Field, _ value: LabelValue) {
        var text = value.text
        text.withUTF8 { utf8 in
            append(number: field, Int64(utf8.count))
            append(bytes: UnsafeRawBufferPointer(utf8))
        }
    }

    /// Without field or length: the last part of an input.
    mutating func append(last text: BorrowedBytes) {
        unsafe text.withUnsafeBytes { utf8 in append(bytes: UnsafeRawBufferPointer(utf8)) }
    }

    mutating func append(last text: String) {
        var text = text
        text.withUTF8 { utf8 in append(bytes: UnsafeRawBufferPointer(utf8)) }
    }

    /// A number without a field, in an input that has no fields.
    mutating func append(number value: UInt64) {
        grow(by: 8)
        for place in 0..<8 { bytes[count + place] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(place))) }
        count += 8
    }

    /// A text with its length, in an input that has no fields.
    mutating func append(part text: some Collection<UInt8>) {
        append(number: UInt64(text.count))
        grow(by: text.count)
        for byte in text {
            bytes[count] = byte
            count += 1
        }
    }

    // Inlined, as all of a record's numbers pass through it.
    @inline(__always) private mutating func append(number field: Field, _ value: Int64) {
        grow(by: 9)
        bytes[count] = field.rawValue
        let start = count + 1
        // Safe: `grow` has made room.
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe bytes.storeBytes(of: value.littleEndian, toByteOffset: start, as: Int64.self)
        }
        count += 9
    }

    // Safe: the bytes are read before it returns.
    @safe @inline(__always) private mutating func append(bytes added: UnsafeRawBufferPointer) {
        guard unsafe !added.isEmpty else { return }
        grow(by: added.count)
        let start = count
        // Safe: `grow` has made room.
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start...]).copyMemory(from: added)
        }
        count += added.count
    }

    private mutating func grow(by added: Int) {
        if count + added > bytes.count {
            bytes.append(contentsOf: repeatElement(0, count: max(added, bytes.count)))
        }
    }

    var digest64: UInt64 {
        // Safe: the bytes are read while the closure runs.
        unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, count) }
    }

    var digest128: UInt128 {
        // Safe: the bytes are read while the closure runs.
        let hash = unsafe bytes.withUnsafeBytes { unsafe XXH3_128bits($0.baseAddress, count) }
        return UInt128(hash.high64) << 64 | UInt128(hash.low64)
    }
}
