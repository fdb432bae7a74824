private import CXXHash
internal import Model

/// Bytes to be digested, in a form that no two different contents share and that stays the same from version to
/// version: digests are remembered across restarts.
struct DigestInput {
    private var bytes = [UInt8](repeating: 0, count: Self.initialCapacity)
    private var count = 0

    /// The longest content: 3 names of 256 bytes, a status, an error type, 14 numbers, each with its tag and length.
    private static let initialCapacity = 1100

    mutating func removeAll() {
        count = 0
    }

    /// Absent fields are left out, so that a field of a later version does not change the digest of older records.
    mutating func append(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        append(tag: field, value)
    }

    mutating func append(_ field: Field, _ value: Double?) {
        guard let value else { return }
        append(tag: field, Int64(bitPattern: value.bitPattern))
    }

    mutating func append(_ field: Field, _ value: LabelValue) {
        var text = value.text
        text.withUTF8 { utf8 in
            append(tag: field, Int64(utf8.count))
            append(bytes: UnsafeRawBufferPointer(utf8))
        }
    }

    /// Without tag or length: the last part of an input.
    mutating func append(last text: JSONText) {
        unsafe text.withUnsafeBytes { utf8 in append(bytes: UnsafeRawBufferPointer(utf8)) }
    }

    mutating func append(last text: String) {
        var text = text
        text.withUTF8 { utf8 in append(bytes: UnsafeRawBufferPointer(utf8)) }
    }

    private mutating func append(tag field: Field, _ value: Int64) {
        grow(by: 9)
        bytes[count] = field.digestTag
        let start = count + 1
        // Safe: `grow` has made room.
        unsafe bytes.withUnsafeMutableBytes { bytes in
            unsafe bytes.storeBytes(of: value.littleEndian, toByteOffset: start, as: Int64.self)
        }
        count += 9
    }

    // Safe: the bytes are read before it returns.
    @safe private mutating func append(bytes added: UnsafeRawBufferPointer) {
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

extension Field {
    /// Fixed for ever, whatever order the cases get.
    fileprivate var digestTag: UInt8 {
        switch self {
        case .agentName: 1
        case .provider: 2
        case .model: 3
        case .status: 4
        case .inputTokens: 5
        case .outputTokens: 6
        case .totalTokens: 7
        case .cacheReadTokens: 8
        case .cacheWriteTokens: 9
        case .reasoningTokens: 10
        case .costUSD: 11
        case .latencyMilliseconds: 12
        case .apiLatencyMilliseconds: 13
        case .memoryRSSMegabytes: 14
        case .memoryAvailableMegabytes: 15
        case .id: 16
        case .event: 17
        case .timestamp: 18
        case .traceID: 19
        case .errorType: 20
        }
    }
}
