internal import Model

extension Histogram {
    static func columns(prefix: String) -> [String] {
        ["\(prefix)_buckets", "\(prefix)_count", "\(prefix)_sum_us", "\(prefix)_exemplars"]
    }

    /// Appends the values of these columns: all absent if there is no histogram.
    static func append(_ histogram: Histogram?, to values: inout [Value]) {
        guard let histogram else {
            for _ in 0..<4 { values.append(.null) }
            return
        }
        values.append(.text(histogram.counts.map(String.init).joined(separator: ",")))
        values.append(.integer(histogram.count))
        values.append(.integer(histogram.sumMicroseconds))
        let exemplars = histogram.exemplars.enumerated().compactMap { bucket, exemplar in
            exemplar.map { "\(bucket) \($0.trace.id) \($0.trace.unixMilliseconds) \($0.microseconds)" }
        }
        values.append(exemplars.isEmpty ? .null : .text(exemplars.joined(separator: ",")))
    }

    /// Absent if there is no observation.
    static func nativeValue(_ histogram: Histogram?) -> Value {
        guard let histogram, !histogram.native.isEmpty else { return .null }
        return .bytes(histogram.native.stored)
    }

    /// Takes the native buckets. A histogram of an earlier version has none.
    mutating func readNative(from reader: inout ValueReader) throws(StoreError) {
        guard let stored = try reader.optionalBytes() else { return }
        let native = try NativeBuckets(stored: stored)
        guard native.total == count else {
            throw StoreError(.damaged, "the classic and the native buckets of a histogram have other counts")
        }
        self = Histogram(counts: counts, sumMicroseconds: sumMicroseconds, exemplars: exemplars, native: native)
    }

    static func read(from reader: inout ValueReader) throws(StoreError) -> Histogram? {
        guard let buckets = try reader.optionalText() else {
            reader.skip(3)
            return nil
        }
        var counts: [Int64] = []
        for text in buckets.split(separator: ",") {
            // Below the limit of a native bucket, which more calls than there can be never reach.
            guard let count = Int64(text), count >= 0, count <= NativeBuckets.countLimit else {
                throw StoreError(.damaged, "not a histogram")
            }
            counts.append(count)
        }
        let count = try reader.natural()
        let sum = try reader.natural()
        var exemplars: [Exemplar?] = []
        if let text = try reader.optionalText() {
            exemplars = Array(repeating: nil, count: counts.count)
            for entry in text.split(separator: ",") {
                let parts = entry.split(separator: " ")
                guard parts.count == 4, let bucket = Int(parts[0]), counts.indices.contains(bucket),
                    let time = Int64(parts[2]), let microseconds = Int64(parts[3])
                else { throw StoreError(.damaged, "not an exemplar") }
                exemplars[bucket] = Exemplar(
                    trace: Trace(id: String(parts[1]), unixMilliseconds: time), microseconds: microseconds)
            }
        }
        let histogram = Histogram(counts: counts, sumMicroseconds: sum, exemplars: exemplars, native: NativeBuckets())
        guard histogram.count == count else {
            throw StoreError(.damaged, "the count of a histogram is not the sum of its buckets")
        }
        return histogram
    }
}

extension NativeBuckets {
    /// Varints (LEB128): of each bucket with an observation, how far its place is from the one before, and its count.
    fileprivate var stored: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(2 * occupied)
        var before = 0
        for rank in 0..<occupied {
            let bucket = self[rank]
            bytes.append(varint: UInt64(bucket.place - before))
            bytes.append(varint: UInt64(bucket.count))
            before = bucket.place
        }
        return bytes
    }

    fileprivate init(stored bytes: [UInt8]) throws(StoreError) {
        self.init()
        let damage = StoreError(.damaged, "not native buckets")
        var rest = bytes[...]
        func next() throws(StoreError) -> Int64 {
            var value: Int64 = 0
            // Nine bytes hold the 63 bits of a count.
            for shift in stride(from: 0, to: 63, by: 7) {
                guard let byte = rest.popFirst() else { throw damage }
                value |= Int64(byte & 0x7F) << Int64(shift)
                if byte < 0x80 { return value }
            }
            throw damage
        }
        var place: Int64 = 0
        while !rest.isEmpty {
            let step = try next()
            let count = try next()
            guard step > 0 || isEmpty, step <= Self.count, place + step <= Self.count, count > 0,
                count <= Self.countLimit
            else { throw damage }
            place += step
            add(count, at: Int(place))
        }
    }
}
