internal import Bodies
private import CSimdjson

extension PaddedBytes {
    /// The text with U+FFFD for bytes that are not UTF-8; the same object if there are none.
    ///
    /// If a sender cuts one prompt within a character, the other calls of its body still count.
    var repairedUTF8: PaddedBytes {
        // Safe: what is read is copied before the closure returns.
        unsafe withUnsafeBytes { bytes in
            let isUTF8 = unsafe csimdjson_is_utf8(bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
            return isUTF8 ? self : unsafe PaddedBytes(String(decoding: bytes, as: UTF8.self).utf8)
        }
    }
}
