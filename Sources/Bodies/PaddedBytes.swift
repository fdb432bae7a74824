private import Glibc

/// Bytes on the heap with readable padding after them, freed with the last reference.
///
/// simdjson reads beyond the end of its input: a body that arrives in such a block is parsed where it lies.
@safe package final class PaddedBytes: @unchecked Sendable {
    // Unchecked: the bytes never change after `init`.

    /// Readable bytes after the end; at least simdjson's `SIMDJSON_PADDING`, which `CSimdjson` asserts.
    package static let padding = 64

    private let start: UnsafeMutableRawPointer?
    package let count: Int
    /// Bytes to unmap; 0 for a block from malloc.
    private let mappedCount: Int
    /// Kept until the bytes are freed.
    private let owner: (any AnyObject & Sendable)?

    /// Takes over a block from `malloc`, freed with the last reference.
    ///
    /// - Parameters:
    ///   - start: `count` + `padding` readable bytes, or `nil` when `count` is 0.
    ///   - owner: released after the bytes are freed.
    package init(
        adopting start: UnsafeMutableRawPointer?, count: Int, owner: (any AnyObject & Sendable)? = nil
    ) {
        unsafe self.start = start
        self.count = count
        self.owner = owner
        mappedCount = 0
    }

    /// Takes over whole pages from `mmap`, unmapped with the last reference.
    ///
    /// - Parameters:
    ///   - mappedCount: all bytes of the mapping; `count` + `padding` or more.
    ///   - owner: released after the bytes are unmapped.
    package init(
        adoptingMapping start: UnsafeMutableRawPointer?, of mappedCount: Int, count: Int,
        owner: (any AnyObject & Sendable)? = nil
    ) {
        unsafe self.start = start
        self.count = count
        self.mappedCount = mappedCount
        self.owner = owner
    }

    package convenience init(_ bytes: some Collection<UInt8>) {
        let count = bytes.count
        let start = unsafe UnsafeMutableRawBufferPointer(start: malloc(count + Self.padding), count: count)
        unsafe start.copyBytes(from: bytes)
        // A malformed text must get the same answer each time: simdjson looks at the byte behind it.
        if let first = start.baseAddress { unsafe memset(first + count, 0, Self.padding) }
        unsafe self.init(adopting: start.baseAddress, count: count)
    }

    deinit {
        if mappedCount > 0 { unsafe munmap(start, mappedCount) } else { unsafe free(start) }
    }

    package var isEmpty: Bool { count == 0 }

    package func withUnsafeBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try unsafe body(UnsafeRawBufferPointer(start: start, count: count))
    }
}
