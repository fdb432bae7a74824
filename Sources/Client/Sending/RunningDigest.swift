private import CXXHash

/// The XXH3 digest of bytes that come in pieces.
@safe struct RunningDigest: ~Copyable {
    // Safe: the state is never handed out, and this value, which cannot be copied, frees it once.
    private let state: OpaquePointer

    init() throws(SendingError) {
        guard let state = unsafe XXH3_createState() else { throw .outOfMemory }
        unsafe XXH3_64bits_reset(state)
        unsafe self.state = state
    }

    deinit { unsafe XXH3_freeState(state) }

    /// The digest of all bytes so far.
    var value: UInt64 { unsafe XXH3_64bits_digest(state) }

    mutating func append(_ bytes: ArraySlice<UInt8>) {
        // Safe: the bytes are lent for the call, with their count. It cannot fail: neither pointer is null.
        unsafe bytes.withUnsafeBytes { unsafe _ = XXH3_64bits_update(state, $0.baseAddress, $0.count) }
    }
}
