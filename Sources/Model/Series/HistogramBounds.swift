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
