package import Bodies
private import CSimdjson

extension PaddedBytes {
    /// A text that is UTF-8 throughout: itself where it is, else a copy with U+FFFD for what is not. One prompt that was cut
    /// within a character must not cost all the calls of its body.
    package var repairedUTF8: PaddedBytes {
        // Safe: what is read is copied before the closure returns.
        unsafe withUnsafeBytes { bytes in
            let isUTF8 = unsafe csimdjson_is_utf8(bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
            return isUTF8 ? self : unsafe PaddedBytes(String(decoding: bytes, as: UTF8.self).utf8)
        }
    }
}
