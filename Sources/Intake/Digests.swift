private import CXXHash
internal import Model

/// Bytes to be digested, in a form that no two different contents share and that stays the same from version to
/// version: digests are remembered across restarts.
struct DigestInput {
    private var bytes: [UInt8] = []

    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    /// Absent fields are left out, so that a field of a later version does not change the digest of older records.
    mutating func append(_ field: Field, _ value: Int64?) {
        guard let value else { return }
        append(tag: field)
        append(value)
    }

    mutating func append(_ field: Field, _ value: Double?) {
        guard let value else { return }
        append(tag: field)
        append(Int64(bitPattern: value.bitPattern))
    }

    mutating func append(_ field: Field, _ value: LabelValue) {
        append(tag: field)
        append(Int64(value.text.utf8.count))
        bytes.append(contentsOf: value.text.utf8)
    }

    /// Without tag or length: the last part of an input.
    mutating func append(last text: some Sequence<UInt8>) {
        bytes.append(contentsOf: text)
    }

    private mutating func append(tag field: Field) {
        bytes.append(field.digestTag)
    }

    private mutating func append(_ value: Int64) {
        // Safe: the bytes are read while the closure runs.
        unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
    }

    var digest64: UInt64 {
        // Safe: the bytes are read while the closure runs.
        unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, $0.count) }
    }

    var digest128: UInt128 {
        // Safe: the bytes are read while the closure runs.
        let hash = unsafe bytes.withUnsafeBytes { unsafe XXH3_128bits($0.baseAddress, $0.count) }
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
