/// Upper bounds of the latency histograms, in microseconds, increasing; `+Inf` is implied.
package struct HistogramBounds: Hashable, Sendable {
    package let microseconds: [Int64]

    /// 0.1, 0.5, 1, 2.5, 5 and 10 s.
    package static let standard = HistogramBounds(unchecked: [
        100_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    ])

    private init(unchecked microseconds: [Int64]) {
        self.microseconds = microseconds
    }

    /// - Returns: `nil` unless the bounds are above 0 and increase, and there is at least one.
    package init?(microseconds: [Int64]) {
        guard let first = microseconds.first, first > 0,
            zip(microseconds, microseconds.dropFirst()).allSatisfy({ $0 < $1 })
        else { return nil }
        self.microseconds = microseconds
    }

    /// The bucket of a value: the first whose bound is not below it; `microseconds.count` is `+Inf`.
    package func bucket(of value: Int64) -> Int {
        // At the usual six bounds a walk beats a bisection.
        microseconds.firstIndex { value <= $0 } ?? microseconds.count
    }

    /// The values of `le`, which always has a point, then `+Inf`.
    package var labels: [String] {
        microseconds.map { PlainDecimal.text(Int128($0), scale: 6, keepsPoint: true) } + ["+Inf"]
    }
}

/// Observations of one latency series.
///
/// One count a bucket, cumulated only when rendered. Adding is commutative, but for exemplars, where the newer wins.
package struct Histogram: Equatable, Sendable {
    /// Observations by bucket, not cumulated; the last is `+Inf`.
    package private(set) var counts: [Int64]
    package private(set) var sumMicroseconds: Int64 = 0
    /// By bucket; empty until there is one.
    package private(set) var exemplars: [Exemplar?] = []

    package init(bounds: HistogramBounds) {
        counts = Array(repeating: 0, count: bounds.microseconds.count + 1)
    }

    /// A histogram as it was stored.
    ///
    /// - Parameters:
    ///   - counts: one a bucket, not cumulated.
    ///   - exemplars: as many, or none at all.
    package init(counts: [Int64], sumMicroseconds: Int64, exemplars: [Exemplar?]) {
        self.counts = counts
        self.sumMicroseconds = sumMicroseconds
        self.exemplars = exemplars
    }

    package var count: Int64 { counts.reduce(0, +) }

    /// The caller has seen to it that the sum stays within `Int64`.
    package mutating func observe(_ microseconds: Int64, bounds: HistogramBounds, trace: Trace? = nil) {
        let bucket = bounds.bucket(of: microseconds)
        counts[bucket] += 1
        sumMicroseconds += microseconds
        if let trace {
            if exemplars.isEmpty { exemplars = Array(repeating: nil, count: counts.count) }
            exemplars[bucket] = Exemplar(trace: trace, microseconds: microseconds)
        }
    }

    /// The same observations under fewer bounds, each of which was a bound before.
    ///
    /// - Returns: `nil` where one was not: what fell between two bounds cannot be told apart.
    package func rebucketed(from old: HistogramBounds, to new: HistogramBounds) -> Histogram? {
        guard Set(new.microseconds).isSubset(of: old.microseconds) else { return nil }
        var result = Histogram(bounds: new)
        result.sumMicroseconds = sumMicroseconds
        if !exemplars.isEmpty { result.exemplars = Array(repeating: nil, count: result.counts.count) }
        for bucket in counts.indices {
            let target =
                bucket < old.microseconds.count
                ? new.bucket(of: old.microseconds[bucket]) : new.microseconds.count
            result.counts[target] += counts[bucket]
            guard !exemplars.isEmpty, let exemplar = exemplars[bucket] else { continue }
            let known = result.exemplars[target]?.trace.unixMilliseconds ?? .min
            if exemplar.trace.unixMilliseconds >= known { result.exemplars[target] = exemplar }
        }
        return result
    }

    mutating func merge(_ newer: Histogram) {
        for bucket in counts.indices { counts[bucket] += newer.counts[bucket] }
        sumMicroseconds += newer.sumMicroseconds
        guard !newer.exemplars.isEmpty else { return }
        if exemplars.isEmpty {
            exemplars = newer.exemplars
        } else {
            for bucket in exemplars.indices { exemplars[bucket] = newer.exemplars[bucket] ?? exemplars[bucket] }
        }
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
}
