import Testing

@testable import Model

@Suite("A histogram under fewer bounds") struct HistogramRebucketTests {
    private static let old = HistogramBounds.standard
    private static let value: [Int64] = [
        0, 99_999, 100_000, 100_001, 500_000, 999_999, 5_000_000, 10_000_000, 10_000_001,
    ]

    private static let subsets: [[Int64]] = (1..<64).map { mask in
        old.microseconds.enumerated().filter { mask & 1 << $0.offset != 0 }.map(\.element)
    }

    @Test("is what it would have been under them from the beginning", arguments: subsets)
    func equalsFresh(microseconds: [Int64]) throws {
        let new = try #require(HistogramBounds(microseconds: microseconds))
        var random = Seeded(UInt64(microseconds.count))
        var histogram = Histogram(bounds: Self.old)
        var fresh = Histogram(bounds: new)
        for time in 0..<200 as Range<Int64> {
            let value = Self.value.randomElement(using: &random) ?? 0
            let trace = time % 3 == 0 ? Trace(id: "\(time)", unixMilliseconds: time) : nil
            histogram.observe(value, bounds: Self.old, trace: trace)
            fresh.observe(value, bounds: new, trace: trace)
        }
        let kept = try #require(histogram.rebucketed(from: Self.old, to: new))
        #expect(kept == fresh)
        #expect(kept.count == 200)
        #expect(kept.exemplars.count == microseconds.count + 1)
    }

    @Test(
        "cannot be computed if one of them was no bound before",
        arguments: [[100_001], [100_000, 7_000_000], [20_000_000]])
    func notASubset(microseconds: [Int64]) throws {
        let new = try #require(HistogramBounds(microseconds: microseconds))
        #expect(Histogram(bounds: Self.old).rebucketed(from: Self.old, to: new) == nil)
    }

    @Test("has no exemplars if it had none")
    func withoutExemplars() throws {
        var histogram = Histogram(bounds: Self.old)
        histogram.observe(1, bounds: Self.old)
        let new = try #require(HistogramBounds(microseconds: [500_000]))
        #expect(histogram.rebucketed(from: Self.old, to: new)?.exemplars == [])
        #expect(histogram.rebucketed(from: Self.old, to: Self.old) == histogram)
    }

    @Test("keeps the newest of exemplars that fall together, by their time")
    func newestExemplar() throws {
        var histogram = Histogram(bounds: Self.old)
        histogram.observe(1, bounds: Self.old, trace: Trace(id: "new", unixMilliseconds: 9))
        histogram.observe(200_000, bounds: Self.old, trace: Trace(id: "old", unixMilliseconds: 8))
        let new = try #require(HistogramBounds(microseconds: [500_000]))
        #expect(histogram.rebucketed(from: Self.old, to: new)?.exemplars.map(\.?.trace.id) == ["new", nil])
    }

    @Test("keeps the newest exemplar by its own time, in whatever order the observations come", arguments: 0..<20)
    func exemplarsCommute(seed: Int) throws {
        var random = Seeded(UInt64(seed))
        var observations = (0..<12).map { _ in
            (
                microseconds: Int64.random(in: 0...3, using: &random),
                trace: Trace(
                    id: ["0a", "0b", "ff"].randomElement(using: &random) ?? "",
                    unixMilliseconds: Int64.random(in: 1...3, using: &random))
            )
        }
        func histogram() -> Histogram {
            var histogram = Histogram(bounds: Self.old)
            for one in observations { histogram.observe(one.microseconds, bounds: Self.old, trace: one.trace) }
            return histogram
        }
        let first = histogram()
        observations.shuffle(using: &random)
        #expect(histogram() == first)
        let newest = try #require(observations.map(\.trace.unixMilliseconds).max())
        let kept = try #require(first.exemplars[0]?.trace)
        #expect(kept.unixMilliseconds == newest)
        #expect(kept.id == observations.filter { $0.trace.unixMilliseconds == newest }.map(\.trace.id).max())
    }
}
