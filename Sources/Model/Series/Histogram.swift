/// Observations of one latency series, in classic buckets and in native ones.
///
/// One count a bucket, cumulated only when rendered. Adding is commutative: of two exemplars the newer by its own time
/// stays, whichever came first.
package struct Histogram: Equatable, Sendable {
    /// Observations by bucket, not cumulated; the last is `+Inf`.
    package private(set) var counts: [Int64]
    package private(set) var sumMicroseconds: Int64 = 0
    /// By bucket; empty until there is one.
    package private(set) var exemplars: [Exemplar?] = []
    /// The same observations; they sum to the same count.
    package private(set) var native = NativeBuckets()

    package init(bounds: HistogramBounds) {
        counts = Array(repeating: 0, count: bounds.microseconds.count + 1)
    }

    /// A histogram as it was stored.
    ///
    /// - Parameters:
    ///   - counts: one a bucket, not cumulated.
    ///   - exemplars: as many, or none at all.
    ///   - native: the same observations.
    package init(counts: [Int64], sumMicroseconds: Int64, exemplars: [Exemplar?], native: NativeBuckets) {
        self.counts = counts
        self.sumMicroseconds = sumMicroseconds
        self.exemplars = exemplars
        self.native = native
    }

    /// The same with native buckets, of which those of version 0.1.0 have none.
    package func withNative(from bounds: HistogramBounds) -> Histogram {
        guard native.isEmpty else { return self }
        var result = self
        result.native = NativeBuckets(counts: counts, bounds: bounds)
        return result
    }

    package var count: Int64 { counts.reduce(0, &+) }

    /// Adds an observation. The caller knows that the sum stays within `Int64`.
    package mutating func observe(_ microseconds: Int64, bounds: HistogramBounds, trace: Trace? = nil) {
        observe(microseconds, sum: sumMicroseconds + microseconds, bounds: bounds, trace: trace)
    }

    /// - Parameter sum: the sum with this observation.
    mutating func observe(_ microseconds: Int64, sum: Int64, bounds: HistogramBounds, trace: Trace?) {
        let bucket = bounds.bucket(of: microseconds)
        counts[bucket] += 1
        sumMicroseconds = sum
        native.observe(microseconds)
        if let trace {
            if exemplars.isEmpty { exemplars = Array(repeating: nil, count: counts.count) }
            exemplars[bucket] = Exemplar(trace: trace, microseconds: microseconds).orNewer(exemplars[bucket])
        }
    }

    /// The same observations under fewer bounds, each of which was a bound before.
    ///
    /// - Returns: `nil` if one was not: the counts do not say what fell between two bounds.
    package func rebucketed(from old: HistogramBounds, to new: HistogramBounds) -> Histogram? {
        guard Set(new.microseconds).isSubset(of: old.microseconds) else { return nil }
        var result = Histogram(bounds: new)
        result.sumMicroseconds = sumMicroseconds
        result.native = native
        if !exemplars.isEmpty { result.exemplars = Array(repeating: nil, count: result.counts.count) }
        for bucket in counts.indices {
            let target =
                bucket < old.microseconds.count
                ? new.bucket(of: old.microseconds[bucket]) : new.microseconds.count
            result.counts[target] += counts[bucket]
            guard !exemplars.isEmpty, let exemplar = exemplars[bucket] else { continue }
            result.exemplars[target] = exemplar.orNewer(result.exemplars[target])
        }
        return result
    }
}

/// The newest traced observation of a bucket.
package struct Exemplar: Equatable, Sendable {
    package let trace: Trace
    package let microseconds: Int64

    package init(trace: Trace, microseconds: Int64) {
        self.trace = trace
        self.microseconds = microseconds
    }

    /// The newer of the two; of equally old ones that with the greater trace id, then the greater latency.
    ///
    /// Prometheus refuses an exemplar that is older than the last one of its series.
    func orNewer(_ other: Exemplar?) -> Exemplar {
        guard let other else { return self }
        let (own, others) = (trace, other.trace)
        if own.unixMilliseconds != others.unixMilliseconds {
            return own.unixMilliseconds > others.unixMilliseconds ? self : other
        }
        if own.id != others.id { return others.id.utf8.lexicographicallyPrecedes(own.id.utf8) ? self : other }
        return microseconds >= other.microseconds ? self : other
    }
}
