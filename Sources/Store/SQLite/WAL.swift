/// A WAL up to its last commit (sqlite.org/fileformat.html, section 4).
struct WAL: Equatable {
    var frames: UInt32 = 0
    var pageBytes: UInt32 = 0
    /// Distinguishes it from those that stood in the file before.
    var salt: UInt64 = 0
    /// Covers all frames.
    var checksum: UInt64 = 0

    /// In bytes. Everything behind it belongs to no commit.
    var end: Int64 { frames == 0 ? 0 : 32 + Int64(frames) * (24 + Int64(pageBytes)) }
}
