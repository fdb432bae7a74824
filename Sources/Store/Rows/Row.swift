private import CXXHash

/// A value that is stored as one row of a table, with its number and its checksum.
protocol Row {
    static var table: String { get }
    /// The SQL of the table, by the version of the schema that it brings. Never changed once it is released.
    static var schema: [Int64: String] { get }
    /// In the order of `values`. New ones are added behind: checksums name columns by their place.
    static var columns: [String] { get }
    /// Names the row within its table; above 0.
    var number: Int64 { get }
    var values: [Value] { get }

    init(number: Int64, values: [Value]) throws(StoreError)
}

extension Row {
    /// XXH3 of the table's name, the number and all values, so that a changed bit anywhere in the row is detected.
    ///
    /// Absent values are left out: a column that a later version adds does not change the checksum of older rows.
    static func checksum(number: Int64, values: [Value]) -> UInt64 {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        bytes.append(contentsOf: table.utf8)
        func append(_ integer: Int64) {
            for shift in stride(from: 0, to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: integer >> shift)) }
        }
        append(number)
        for (column, value) in values.enumerated() {
            // A tag for the column, then one for the type, then a length if it varies: no two rows share their bytes.
            switch value {
            case .null: continue
            case .integer(let integer):
                bytes.append(contentsOf: [UInt8(column), 1])
                append(integer)
            case .real(let real):
                bytes.append(contentsOf: [UInt8(column), 2])
                // SQLite keeps -0.0 as 0.0.
                append(Int64(bitPattern: (real == 0 ? 0 : real).bitPattern))
            case .text(let text):
                bytes.append(contentsOf: [UInt8(column), 3])
                append(Int64(text.utf8.count))
                bytes.append(contentsOf: text.utf8)
            case .bytes(let blob):
                bytes.append(contentsOf: [UInt8(column), 4])
                append(Int64(blob.count))
                bytes.append(contentsOf: blob)
            }
        }
        // Safe: the bytes are read while the closure runs.
        return unsafe bytes.withUnsafeBytes { unsafe XXH3_64bits($0.baseAddress, $0.count) }
    }
}
