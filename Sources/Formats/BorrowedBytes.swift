private import Glibc

/// A body, or a part of it, or bytes that a reader has unescaped: read in place, never owned.
///
/// A part of a JSON body that a reader returned is valid UTF-8.
@safe struct BorrowedBytes: RandomAccessCollection {
    // No value of this type outlives the decoding of its body, or the next call of its reader.
    private let bytes: UnsafeBufferPointer<UInt8>

    /// - Parameter bytes: stay in place while this value is used. `PaddedBytes.padding` readable bytes follow a body
    ///   that
    ///   `JSONReader.open` reads, and so each part of it.
    @unsafe init(_ bytes: UnsafeBufferPointer<UInt8>) {
        unsafe self.bytes = bytes
    }

    /// No bytes.
    static var none: BorrowedBytes { unsafe BorrowedBytes(UnsafeBufferPointer(start: nil, count: 0)) }

    var startIndex: Int { 0 }
    var endIndex: Int { unsafe bytes.count }
    // Checked: `UnsafeBufferPointer` checks its index in debug builds only.
    subscript(index: Int) -> UInt8 {
        precondition(index >= 0 && index < endIndex)
        return unsafe bytes[index]
    }

    @unsafe func withUnsafeBytes<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        unsafe body(bytes)
    }

    /// Without `prefix` bytes at the start and `suffix` bytes at the end.
    func trimmed(prefix: Int, suffix: Int) -> BorrowedBytes {
        precondition(prefix >= 0 && suffix >= 0 && prefix + suffix <= count)
        return unsafe BorrowedBytes(UnsafeBufferPointer(rebasing: bytes[prefix..<(bytes.count - suffix)]))
    }

    /// The place of a part of these bytes among them.
    func offset(of part: BorrowedBytes) -> Int {
        guard let start = unsafe bytes.baseAddress, let partStart = unsafe part.bytes.baseAddress else { return 0 }
        return unsafe partStart - start
    }

    var firstLineFeed: Int? {
        guard let start = unsafe bytes.baseAddress, let feed = unsafe memchr(start, Int32(UInt8(ascii: "\n")), count)
        else { return nil }
        return unsafe UnsafeRawPointer(feed) - UnsafeRawPointer(start)
    }

    /// Bytes that are not UTF-8 become U+FFFD.
    var string: String { unsafe String(decoding: bytes, as: UTF8.self) }

    func equals(_ other: [UInt8]) -> Bool {
        guard other.count == count, let start = unsafe bytes.baseAddress else { return other.isEmpty && isEmpty }
        return unsafe memcmp(start, other, count) == 0
    }
}
