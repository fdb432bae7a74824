private import Glibc
private import Synchronization

/// Bytes that several answers send, without a copy for each: a large body lies in memory once, however many read it slowly.
@safe package final class SharedBody: @unchecked Sendable {
    // Unchecked: the bytes are written before anybody else has the object, and read from then on.
    private let bytes: UnsafeMutableRawBufferPointer

    /// - Returns: `nil` where there is no memory for them.
    package init?(_ body: [UInt8]) {
        guard let start = unsafe malloc(max(1, body.count)) else { return nil }
        unsafe bytes = UnsafeMutableRawBufferPointer(start: start, count: body.count)
        unsafe bytes.copyBytes(from: body)
        Self.count.add(body.count, ordering: .relaxed)
    }

    /// Bytes of all that are there, most of them for connections that read slowly.
    package static var liveBytes: Int { count.load(ordering: .relaxed) }

    private static let count = Atomic(0)

    deinit {
        unsafe Self.count.subtract(bytes.count, ordering: .relaxed)
        unsafe free(bytes.baseAddress)
    }

    /// Lent for as long as the object is there.
    var lent: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(bytes) }
}
