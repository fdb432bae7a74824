internal import Model

extension Histogram {
    static func columns(prefix: String) -> [String] {
        ["\(prefix)_buckets", "\(prefix)_count", "\(prefix)_sum_us", "\(prefix)_exemplars"]
    }

    /// All absent if there is no histogram.
    static func values(_ histogram: Histogram?) -> [Value] {
        guard let histogram else { return [.null, .null, .null, .null] }
        let exemplars = histogram.exemplars.enumerated().compactMap { bucket, exemplar in
            exemplar.map { "\(bucket) \($0.trace.id) \($0.trace.unixMilliseconds) \($0.microseconds)" }
        }
        return [
            .text(histogram.counts.map(String.init).joined(separator: ",")), .integer(histogram.count),
            .integer(histogram.sumMicroseconds),
            exemplars.isEmpty ? .null : .text(exemplars.joined(separator: ",")),
        ]
    }

    static func read(from reader: inout ValueReader) throws(StoreError) -> Histogram? {
        guard let buckets = try reader.optionalText() else {
            reader.skip(3)
            return nil
        }
        var counts: [Int64] = []
        for text in buckets.split(separator: ",") {
            guard let count = Int64(text), count >= 0 else { throw StoreError(.damaged, "not a histogram") }
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
        let histogram = Histogram(counts: counts, sumMicroseconds: sum, exemplars: exemplars)
        guard histogram.count == count else {
            throw StoreError(.damaged, "the count of a histogram is not the sum of its buckets")
        }
        return histogram
    }
}
