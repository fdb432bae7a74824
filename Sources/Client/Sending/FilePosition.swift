/// A position in a file, and the digest of everything before it.
struct FilePosition: Equatable, Sendable {
    /// In bytes.
    var offset = 0
    /// Line feeds before it.
    var lines = 0
    /// XXH3 of all bytes before it. It shows whether a file still begins with what was sent.
    var digest: UInt64
}
