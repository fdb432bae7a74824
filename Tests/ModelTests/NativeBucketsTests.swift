import Testing

@testable import Model

@Suite("Native buckets") struct NativeBucketsTests {
    /// Longest numbers that a check needs: 8 x 37 bits.
    private typealias Limbs = [UInt32]

    private static func product(_ left: Limbs, _ right: Limbs) -> Limbs {
        var result = Limbs(repeating: 0, count: left.count + right.count)
        for (place, limb) in left.enumerated() {
            var carry: UInt64 = 0
            for (other, factor) in right.enumerated() {
                let sum = UInt64(limb) * UInt64(factor) + UInt64(result[place + other]) + carry
                result[place + other] = UInt32(truncatingIfNeeded: sum)
                carry = sum >> 32
            }
            result[place + right.count] = UInt32(carry)
        }
        return result
    }

    private static func power8(_ base: Int64) -> Limbs {
        var power: Limbs = [UInt32(truncatingIfNeeded: base), UInt32(base >> 32)]
        for _ in 0..<3 { power = product(power, power) }
        return power
    }

    /// 2^exponent, of 0 or more.
    private static func power2(_ exponent: Int) -> Limbs {
        Limbs(repeating: 0, count: exponent / 32) + [1 << UInt32(exponent % 32)]
    }

    private static func isLess(_ left: Limbs, _ right: Limbs) -> Bool {
        for place in (0..<max(left.count, right.count)).reversed() {
            let limbs = (place < left.count ? left[place] : 0, place < right.count ? right[place] : 0)
            if limbs.0 != limbs.1 { return limbs.0 < limbs.1 }
        }
        return false
    }

    @Test("end at 2^(k/8) s exactly, rounded down to a microsecond")
    func bounds() {
        #expect(NativeBuckets.upperBounds.count == NativeBuckets.count + 1)
        #expect(NativeBuckets.upperBounds.first == 0 && NativeBuckets.upperBounds.last == 92_681_900_023)
        #expect(Double(NativeBuckets.upperBounds[1]) / 1_000_000 > NativeBuckets.zeroThreshold)
        for (place, bound) in NativeBuckets.upperBounds.enumerated().dropFirst() {
            // bound <= 2^(k/8) x 10^6 < bound + 1, each to the power of 8, and without a negative exponent.
            let k = place - 1 + NativeBuckets.firstIndex
            let exact = Self.product(Self.power8(1_000_000), Self.power2(max(0, k)))
            let scale = Self.power2(max(0, -k))
            #expect(!Self.isLess(exact, Self.product(Self.power8(bound), scale)), "place \(place)")
            #expect(Self.isLess(exact, Self.product(Self.power8(bound + 1), scale)), "place \(place)")
        }
    }

    @Test("hold what is above the bound before and not above their own")
    func places() {
        #expect(NativeBuckets.place(of: 0) == 0)
        #expect(NativeBuckets.place(of: 1) == 1)
        #expect(NativeBuckets.place(of: 1_000_000) == -NativeBuckets.firstIndex + 1)
        #expect(NativeBuckets.place(of: 86_400_000_000) == NativeBuckets.count)
        #expect(NativeBuckets.place(of: .max) == NativeBuckets.count)
        for (place, bound) in NativeBuckets.upperBounds.enumerated() {
            #expect(NativeBuckets.place(of: bound) <= place)
            #expect(place == NativeBuckets.count || NativeBuckets.place(of: bound + 1) > place)
        }
    }

    private static func latency(bits: ClosedRange<Int>, _ random: inout Seeded) -> Int64 {
        .random(in: 0...Int64(1) << Int.random(in: bits, using: &random), using: &random)
    }

    @Test("are the same in any order and any partition", arguments: 0..<20 as Range<UInt64>)
    func commute(seed: UInt64) {
        var random = Seeded(seed)
        let values = (0..<500).map { _ in
            Int64.random(in: 0...Int64(1) << Int.random(in: 0...36, using: &random), using: &random)
        }
        var whole = NativeBuckets()
        for value in values { whole.observe(value) }
        var parts = NativeBuckets()
        var rest = values.shuffled(using: &random)[...]
        while !rest.isEmpty {
            var part = NativeBuckets()
            let size = min(rest.count, Int.random(in: 1...90, using: &random))
            for value in rest.prefix(size) { part.observe(value) }
            parts.add(part)
            rest = rest.dropFirst(size)
        }
        #expect(whole == parts)
        #expect(whole.total == 500)
        #expect((1..<whole.occupied).allSatisfy { whole[$0 - 1].place < whole[$0].place })
    }

    @Test("keep a count that would grow past its limit")
    func limit() {
        var buckets = NativeBuckets()
        buckets.add(.max, at: 200)
        buckets.observe(NativeBuckets.upperBounds[200])
        buckets.add(1, at: 199)
        #expect(buckets[1] == NativeBuckets.Bucket(place: 200, count: NativeBuckets.countLimit))
        #expect(buckets[0] == NativeBuckets.Bucket(place: 199, count: 1))
        var many = NativeBuckets()
        for place in 0..<NativeBuckets.count { many.add(.max, at: place) }
        #expect(many.total == nil)
    }

    @Test("give quantiles to within the width of a bucket", arguments: 0..<10 as Range<UInt64>)
    func quantiles(seed: UInt64) throws {
        var random = Seeded(seed)
        let values = (0..<1000).map { _ in
            Int64.random(in: 0...Int64(1) << Int.random(in: 10...36, using: &random), using: &random)
        }
        var buckets = NativeBuckets()
        for value in values { buckets.observe(value) }
        let sorted = values.sorted()
        for percent in [1, 50, 95, 99, 100] as [Int64] {
            let exact = sorted[Int(percent) * 10 - 1]
            let quantile = try #require(buckets.quantile(percent: percent))
            #expect(abs(Double(quantile) / Double(exact) - 1) < 0.091, "p\(percent)")
        }
        #expect(NativeBuckets().quantile(percent: 50) == nil)
        var zeros = NativeBuckets()
        zeros.observe(0)
        #expect(zeros.quantile(percent: 99) == 0)
    }

    @Test("are made of classic ones, each at its bound, and those beyond the last just above it")
    func classic() throws {
        let bounds = try #require(HistogramBounds(microseconds: [1, 100_000, 10_000_000]))
        let native = NativeBuckets(counts: [1, 0, 3, 2], bounds: bounds)
        let places = (0..<native.occupied).map { native[$0].place }
        let last = NativeBuckets.place(of: 10_000_000)
        #expect(places == [1, last, last + 1])
        #expect((0..<native.occupied).map { native[$0].count } == [1, 3, 2])
        #expect(NativeBuckets.upperBounds[last] >= 10_000_000 && NativeBuckets.upperBounds[last - 1] < 10_000_000)
        // Bounds past the longest latency.
        let long = try #require(HistogramBounds(microseconds: [90_000_000_000, 900_000_000_000]))
        #expect(NativeBuckets(counts: [1, 1, 1], bounds: long).total == 3)
    }
}
