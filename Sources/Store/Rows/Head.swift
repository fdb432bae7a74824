internal import Model

/// The one row that every commit rewrites.
struct Head: Row, Equatable {
    static var table: String { "head" }

    static var schema: [Int64: String] { [1: creation] }

    private static var creation: String {
        """
        CREATE TABLE head (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, batch INTEGER NOT NULL, digest INTEGER NOT NULL,
            bounds_us TEXT NOT NULL, memory_available_mb REAL
        ) STRICT
        """
    }

    static var columns: [String] { ["batch", "digest", "bounds_us", "memory_available_mb"] }

    var number: Int64 { 1 }
    /// The last batch that was committed.
    var batch: Int64
    /// The sum of the checksums of all other rows, modulo 2^64: a missing or older row is detected.
    var digest: UInt64
    var bounds: HistogramBounds
    var memoryAvailableMegabytes: Double?

    init(batch: Int64, digest: UInt64, bounds: HistogramBounds, memoryAvailableMegabytes: Double? = nil) {
        self.batch = batch
        self.digest = digest
        self.bounds = bounds
        self.memoryAvailableMegabytes = memoryAvailableMegabytes
    }

    var values: [Value] {
        [
            .integer(batch), .integer(Int64(bitPattern: digest)),
            .text(bounds.microseconds.map(String.init).joined(separator: ",")), Value(memoryAvailableMegabytes),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        guard number == 1 else { throw StoreError(.damaged, "a second head") }
        var reader = ValueReader(values)
        batch = try reader.natural()
        digest = UInt64(bitPattern: try reader.integer())
        let text = try reader.text()
        guard let bounds = HistogramBounds(microseconds: text.split(separator: ",").compactMap { Int64($0) }) else {
            throw StoreError(.damaged, "not bounds of histograms")
        }
        self.bounds = bounds
        memoryAvailableMegabytes = try reader.optionalReal()
    }
}
