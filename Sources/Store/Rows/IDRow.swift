internal import Model

/// The ids that one commit remembers, or a part of them.
///
/// Appended, and deleted from the front: a row for an id, found by its digest, would write a page for each.
struct IDRow: Row {
    static var table: String { "ids" }

    static var schema: [Int64: String] { [1: creation] }

    private static var creation: String {
        """
        CREATE TABLE ids (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, at_ms INTEGER NOT NULL, digests BLOB NOT NULL
        ) STRICT
        """
    }

    static var columns: [String] { ["at_ms", "digests"] }

    let number: Int64
    let at: Instant
    /// 24 bytes an id: 16 of its key, 8 of its content.
    let digests: [UInt8]

    static let bytesPerID = 24
    /// Most ids in a row: a row is deleted at once, and must not hold up a batch.
    static let capacity = 4096

    init(number: Int64, at: Instant, ids: ArraySlice<RememberedID>) {
        self.number = number
        self.at = at
        var digests: [UInt8] = []
        digests.reserveCapacity(ids.count * Self.bytesPerID)
        for id in ids {
            for shift in stride(from: 120, through: 0, by: -8) {
                digests.append(UInt8(truncatingIfNeeded: id.key.bits >> UInt128(shift)))
            }
            for shift in stride(from: 56, through: 0, by: -8) {
                digests.append(UInt8(truncatingIfNeeded: id.content >> UInt64(shift)))
            }
        }
        self.digests = digests
    }

    var values: [Value] { [.integer(at.unixMilliseconds), .bytes(digests)] }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        self.number = number
        at = Instant(unixMilliseconds: try reader.integer())
        digests = try reader.bytes()
        guard !digests.isEmpty, digests.count.isMultiple(of: Self.bytesPerID) else {
            throw StoreError(.damaged, "not a row of ids")
        }
    }

    var count: Int { digests.count / Self.bytesPerID }

    func forEach(_ body: (RememberedID) -> Void) {
        // Safe: each read ends within the bytes, whose count is a multiple of an id's.
        unsafe digests.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: Self.bytesPerID) {
                let high = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
                let low = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self))
                let content = unsafe UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: start + 16, as: UInt64.self))
                body(RememberedID(key: Digest(bits: UInt128(high) << 64 | UInt128(low)), content: content))
            }
        }
    }
}
