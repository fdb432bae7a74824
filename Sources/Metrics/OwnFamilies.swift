private import Concurrency
package import Model
private import Synchronization

/// The families that the exporter keeps of itself, in the order of their declaration.
///
/// Each is declared once: name, help, labels. A counter is declared by making it; a gauge by the closure that reads it.
///
/// - Parameter Moment: the state that gauges read, once a scrape.
package struct OwnFamilies<Moment>: Sendable {
    private var declared: [@Sendable (Moment) -> MetricFamily] = []

    package init() {}

    /// All families as of a moment.
    package func families(_ moment: Moment) -> [MetricFamily] { declared.map { $0(moment) } }

    package mutating func counter(_ name: String, _ help: String) -> Counter {
        let counter = Counter()
        add(name, .counter, help) { _ in [.init(value: .integer(counter.count))] }
        return counter
    }

    /// A counter for each value of a label; all are shown from the beginning.
    package mutating func counters<Value: CounterLabel>(
        _ name: String, _ help: String, by label: String, of _: Value.Type = Value.self
    ) -> Counters<Value> {
        let counters = Counters<Value>()
        add(name, .counter, help) { _ in
            Value.allCases.map { value in
                .init(
                    labels: LabelBlock([(label, LabelValue(value.rawValue))]), value: .integer(counters[value].count))
            }
        }
        return counters
    }

    /// A counter for each key that was counted, sorted by its labels.
    package mutating func counters<Key>(
        _ name: String, _ help: String, by labels: @escaping @Sendable (Key) -> [(name: String, value: String)]
    ) -> KeyedCounters<Key> {
        let counters = KeyedCounters<Key>()
        add(name, .counter, help) { _ in
            counters.all.map { key, count in (block: LabelBlock(labels(key)), count: count) }
                .sorted { $0.block.bytes.lexicographicallyPrecedes($1.block.bytes) }
                .map { .init(labels: $0.block, value: .integer(Int128($0.count))) }
        }
        return counters
    }

    /// A counter for each name that senders choose, sorted; names past the first `limit` share `_other`.
    package mutating func counters(
        _ name: String, _ help: String, by label: String, limit: Int
    ) -> NamedCounters {
        let counters = NamedCounters(limit: limit)
        add(name, .counter, help) { _ in
            counters.all.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { name, count in
                .init(labels: LabelBlock([(label, LabelValue(name))]), value: .integer(Int128(count)))
            }
        }
        return counters
    }

    /// A histogram without labels, shown from the beginning.
    package mutating func histogram(_ name: String, _ help: String, bounds: HistogramBounds) -> OwnHistogram<Whole> {
        let histogram = OwnHistogram<Whole>(bounds: bounds)
        histogram.show(.whole)
        add(name, .histogram, help) { _ in histogram.samples { _ in [] } }
        return histogram
    }

    /// A histogram for each key that was observed, sorted by its labels.
    package mutating func histogram<Key>(
        _ name: String, _ help: String, bounds: HistogramBounds,
        by labels: @escaping @Sendable (Key) -> [(name: String, value: String)]
    ) -> OwnHistogram<Key> {
        let histogram = OwnHistogram<Key>(bounds: bounds)
        add(name, .histogram, help) { _ in histogram.samples(labels) }
        return histogram
    }

    package mutating func gauge(
        _ name: String, _ help: String, _ read: @escaping @Sendable (Moment) -> MetricFamily.Value
    ) {
        add(name, .gauge, help) { [.init(value: read($0))] }
    }

    /// A family whose samples are read at each scrape.
    package mutating func add(
        _ name: String, _ kind: MetricFamily.Kind, _ help: String,
        _ samples: @escaping @Sendable (Moment) -> [MetricFamily.Sample]
    ) {
        declared.append { MetricFamily(name: name, kind: kind, help: help, samples: samples($0)) }
    }
}

/// The values of a label that are known when the program is written.
package protocol CounterLabel: CaseIterable, RawRepresentable, Hashable, Sendable where RawValue == String {}

/// A count that only rises. From any thread, without a lock.
package final class Counter: Sendable {
    private let value = Atomic<Int64>(0)

    package func add(_ count: Int = 1) {
        if count != 0 { value.add(Int64(count), ordering: .relaxed) }
    }

    package var count: Int128 { Int128(value.load(ordering: .relaxed)) }
}

/// A counter for each value of a label.
package final class Counters<Value: CounterLabel>: Sendable {
    private let counters: [Value: Counter]

    fileprivate init() {
        counters = Dictionary(uniqueKeysWithValues: Value.allCases.map { ($0, Counter()) })
    }

    // Every case has its counter since `init`.
    package subscript(value: Value) -> Counter { counters[value] ?? Counter() }
}

/// Counters that appear as they are counted. The caller bounds how many keys there are.
package final class KeyedCounters<Key: Hashable & Sendable>: Sendable {
    private let counts = Locked<[Key: Int64]>([:])

    package func add(_ key: Key, _ count: Int = 1) {
        counts.withLock { $0[key, default: 0] += Int64(count) }
    }

    fileprivate var all: [Key: Int64] { counts.withLock { $0 } }
}

/// Counters by names that senders choose, which appear as they are counted.
package final class NamedCounters: Sendable {
    private let limit: Int
    private let counts = Locked<[String: Int64]>([:])

    fileprivate init(limit: Int) {
        self.limit = limit
    }

    package func add(_ name: String, _ count: Int) {
        counts.withLock { counts in
            let other = LabelValue.other.text
            let isKnown = counts[name] != nil || counts.count - (counts[other] == nil ? 0 : 1) < limit
            counts[isKnown ? name : other, default: 0] += Int64(count)
        }
    }

    fileprivate var all: [String: Int64] { counts.withLock { $0 } }
}

/// The key of a histogram without labels.
package enum Whole: Sendable {
    case whole
}

/// Observations of the exporter's own, by key.
package final class OwnHistogram<Key: Hashable & Sendable>: Sendable {
    private let bounds: HistogramBounds
    private let histograms = Locked<[Key: Histogram]>([:])

    fileprivate init(bounds: HistogramBounds) {
        self.bounds = bounds
    }

    fileprivate func show(_ key: Key) {
        histograms.withLock { $0[key] = Histogram(bounds: bounds) }
    }

    /// - Parameter millionths: the value in millionths of its unit: microseconds, say.
    package func observe(_ millionths: Int64, of key: Key) {
        histograms.withLock {
            $0[key, default: Histogram(bounds: bounds)].observe(millionths, bounds: bounds)
        }
    }

    fileprivate func samples(_ labels: (Key) -> [(name: String, value: String)]) -> [MetricFamily.Sample] {
        histograms.withLock { $0 }.map { key, histogram in
            MetricFamily.Sample(
                labels: LabelBlock(labels(key)),
                value: .histogram(
                    bounds: bounds, counts: histogram.counts, sumMicroseconds: histogram.sumMicroseconds))
        }.sorted { $0.labels.bytes.lexicographicallyPrecedes($1.labels.bytes) }
    }
}

extension OwnHistogram<Whole> {
    package func observe(_ millionths: Int64) { observe(millionths, of: .whole) }
}

extension LabelBlock {
    fileprivate init(_ pairs: [(name: String, value: String)]) {
        self.init(pairs.map { ($0.name, LabelValue($0.value)) })
    }
}
