private import Glibc
private import Synchronization

/// Bytes that several answers send without a copy for each: a large body is in memory once, however many clients read
/// it slowly.
@safe package final class SharedBody: @unchecked Sendable {
    // Unchecked: the bytes are written before another thread has the object, and only read from then on.
    private let bytes: UnsafeMutableRawBufferPointer

    /// - Returns: `nil` if there is no memory for them.
    package init?(_ body: [UInt8]) {
        guard let start = unsafe malloc(max(1, body.count)) else { return nil }
        unsafe bytes = UnsafeMutableRawBufferPointer(start: start, count: body.count)
        unsafe bytes.copyBytes(from: body)
        Self.count.add(body.count, ordering: .relaxed)
    }

    /// Bytes of all bodies that exist, most of them for connections that read slowly.
    package static var liveBytes: Int { count.load(ordering: .relaxed) }

    private static let count = Atomic(0)

    deinit {
        unsafe Self.count.subtract(bytes.count, ordering: .relaxed)
        unsafe free(bytes.baseAddress)
    }

    /// Lent for as long as the object lives.
    var lent: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(bytes) }
}
