import Testing

@testable import Model

@Suite("Histogram bounds") struct HistogramBoundsTests {
    @Test(
        "increase, lie above 0, and are at least one",
        arguments: [
            ([1], true), ([1, 2, .max], true), ([], false), ([0], false), ([-1, 1], false), ([1, 1], false),
            ([2, 1], false), ([1, 3, 2], false),
        ] as [([Int64], Bool)])
    func validity(microseconds: [Int64], isValid: Bool) {
        #expect((HistogramBounds(microseconds: microseconds) != nil) == isValid)
    }

    @Test(
        "a value on a bound belongs to its bucket",
        arguments: [
            (0, 0), (100_000, 0), (100_001, 1), (500_000, 1), (1_000_000, 2), (2_000_000, 3), (2_500_000, 3),
            (5_000_000, 4), (10_000_000, 5), (10_000_001, 6), (.max, 6),
        ] as [(Int64, Int)])
    func buckets(value: Int64, bucket: Int) {
        #expect(HistogramBounds.standard.bucket(of: value) == bucket)
    }

    @Test("have labels with a point")
    func labels() {
        #expect(HistogramBounds.standard.labels == ["0.1", "0.5", "1.0", "2.5", "5.0", "10.0", "+Inf"])
        #expect(HistogramBounds(microseconds: [1, 60_000_000])?.labels == ["0.000001", "60.0", "+Inf"])
    }

    @Test("a histogram keeps the newest exemplar of each bucket")
    func exemplars() {
        func trace(_ id: String) -> Trace { Trace(id: id, unixMilliseconds: 1) }
        var histogram = Histogram(bounds: .standard)
        histogram.observe(1, bounds: .standard, trace: trace("a"))
        histogram.observe(200_000, bounds: .standard, trace: trace("b"))
        histogram.observe(2, bounds: .standard, trace: nil)
        histogram.observe(300_000, bounds: .standard, trace: trace("c"))
        #expect(histogram.exemplars.map { $0?.trace.id } == ["a", "c", nil, nil, nil, nil, nil])
        #expect(histogram.counts == [2, 2, 0, 0, 0, 0, 0])
        #expect(histogram.count == 4)
        #expect(histogram.sumMicroseconds == 500_003)
    }
}

@Suite("Chunked array") struct ChunkedArrayTests {
    @Test("holds what was appended, at every size around its chunks", arguments: [0, 1, 63, 64, 65, 128, 1_000])
    func sizes(count: Int) {
        var array = ChunkedArray<Int>()
        for number in 0..<count { array.append(number) }
        #expect(array.count == count)
        #expect(array.isEmpty == (count == 0))
        #expect(Array(array) == Array(0..<count))
        #expect(array.chunks.flatMap(\.self) == Array(0..<count))
        for number in 0..<count { #expect(array[number] == number) }
    }

    @Test("copies are independent, in elements and in length")
    func copies() {
        var original = ChunkedArray<[Int]>()
        for number in 0..<130 { original.append([number]) }
        let copy = original
        var other = original
        original[5].append(0)
        original[129].append(0)
        original.append([7])
        other.append([8])
        #expect(copy.count == 130)
        #expect(copy[5] == [5])
        #expect(copy[129] == [129])
        #expect(original[5] == [5, 0])
        #expect(original[130] == [7])
        #expect(other[130] == [8])
        #expect(other[129] == [129])
    }
}

@Suite("Label values") struct LabelValueTests {
    @Test("are equal when their bytes are")
    func bytes() {
        #expect(LabelValue("\u{E9}") != LabelValue("e\u{301}"))
        #expect(Set([LabelValue("\u{E9}"), LabelValue("e\u{301}"), LabelValue("\u{E9}")]).count == 2)
        #expect(LabelValue("a") != LabelValue("ab"))
        #expect(LabelValue(String("xab".dropFirst())) == LabelValue("ab"))
        #expect(SeriesLabels("ab", "c", "d") != SeriesLabels("a", "bc", "d"))
    }

    @Test("stand in a block in the order given, with backslash, quote and line feed escaped")
    func block() {
        let block = LabelBlock([("a", LabelValue("\r\n")), ("b", LabelValue("\"\\"))])
        #expect(String(decoding: block.bytes, as: UTF8.self) == "a=\"\r\\n\",b=\"\\\"\\\\\"")
        #expect(LabelBlock().bytes.isEmpty)
    }

    @Test("are read back out of a block as they went in")
    func pairs() {
        let values = ["", "\r\n", "\"\\", "a=\"b\",c=\"", "\\n", "é 👩‍🔬 ="]
        let block = LabelBlock(values.enumerated().map { ("n\($0.offset)", LabelValue($0.element)) })
        var read: [String] = []
        block.forEachPair { name, value in
            read.append(String(decoding: name, as: UTF8.self) + String(decoding: value, as: UTF8.self))
        }
        #expect(read == values.enumerated().map { "n\($0.offset)\($0.element)" })
    }
}

@Suite("Usage") struct UsageTests {
    @Test("bills the total, else input and output; the kinds do not overlap")
    func kinds() {
        #expect(Usage(input: 10, output: 5, total: 99).billedTokens == 99)
        #expect(Usage(input: 10, output: 5).billedTokens == 15)
        #expect(Usage(output: 5).billedTokens == 5)
        #expect(Usage().billedTokens == 0)
        #expect(Usage().isMissing)
        #expect(!Usage(total: 0).isMissing)
        #expect(Usage(total: 5).kinds == nil)
        #expect(
            Usage(input: 10, output: 5, cacheRead: 3, cacheWrite: 2, reasoning: 4).kinds
                == TokenKinds(input: 5, cacheRead: 3, cacheWrite: 2, output: 1, reasoning: 4))
        #expect(Usage(input: 10).kinds == TokenKinds(input: 10))
    }
}
