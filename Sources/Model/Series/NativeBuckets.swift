/// The buckets of a native histogram: exponential, and only those that hold an observation.
///
/// Schema 3 of Prometheus ("Native Histograms"): each bucket is about 9 % (2^(1/8)) wider than the one below it.
/// Bucket k holds latencies above 2^((k-1)/8) s, up to and including 2^(k/8) s, decided in whole microseconds. A
/// bucket's place is 0 for the zero bucket, and k - `firstIndex` + 1 for the others.
package struct NativeBuckets: Equatable, Sendable {
    /// In the order of their places: the place in the upper bits, the count in the lower 55. One array, because a fold
    /// copies it when a batch first touches the set.
    private var words: [UInt64] = []

    package static let schema = 3
    /// 2^-20 s, just below a microsecond: the zero bucket holds latencies of 0.
    package static let zeroThreshold = 0x1p-20
    /// k of the bucket of 1 µs.
    package static let firstIndex = -159
    /// Without the zero bucket; the last one holds 86,400 s, the longest latency.
    package static let count = 292
    /// The largest count that a bucket holds.
    package static let countLimit: Int64 = 1 << 55 - 1

    private static let countBits: UInt64 = 55

    package init() {}

    package struct Bucket: Equatable, Sendable {
        /// 0 to `NativeBuckets.count`.
        package let place: Int
        /// 1 to `countLimit`.
        package let count: Int64
    }

    package var isEmpty: Bool { words.isEmpty }
    /// The number of buckets that hold an observation.
    package var occupied: Int { words.count }

    /// A bucket that holds an observation, by its rank among them.
    package subscript(rank: Int) -> Bucket {
        Bucket(
            place: Int(words[rank] >> Self.countBits),
            count: Int64(words[rank] & UInt64(Self.countLimit)))
    }

    /// All observations; `nil` if they are more than `Int64` holds.
    package var total: Int64? {
        var total: Int64? = 0
        for rank in words.indices { total = total?.adding(self[rank].count) }
        return total
    }

    package mutating func observe(_ microseconds: Int64) {
        add(1, at: Self.place(of: microseconds))
    }

    /// Adds observations to a bucket. A count that would pass `countLimit` stays there.
    package mutating func add(_ count: Int64, at place: Int) {
        let start = UInt64(place) << Self.countBits
        var low = 0
        var high = words.count
        while low < high {
            let middle = (low + high) / 2
            if words[middle] < start { low = middle + 1 } else { high = middle }
        }
        if low < words.count, words[low] >> Self.countBits == UInt64(place) {
            let room = Self.countLimit - Int64(words[low] & UInt64(Self.countLimit))
            words[low] += UInt64(min(count, room))
        } else {
            // Grows by four: an array would double its room.
            if words.count == words.capacity { words.reserveCapacity(words.count + 4) }
            words.insert(start | UInt64(min(Self.countLimit, count)), at: low)
        }
    }

    /// Adds the observations of another histogram.
    package mutating func add(_ other: NativeBuckets) {
        if words.isEmpty {
            words = other.words
            return
        }
        var sum: [UInt64] = []
        sum.reserveCapacity(words.count + other.words.count)
        var rank = 0
        for word in other.words {
            let start = word & ~UInt64(Self.countLimit)
            while rank < words.count, words[rank] < start {
                sum.append(words[rank])
                rank += 1
            }
            if rank < words.count, words[rank] >> Self.countBits == word >> Self.countBits {
                let count = words[rank] & UInt64(Self.countLimit) + word & UInt64(Self.countLimit)
                sum.append(start | min(count, UInt64(Self.countLimit)))
                rank += 1
            } else {
                sum.append(word)
            }
        }
        words = sum + words[rank...]
    }
}

extension NativeBuckets {
    /// 2^(j/8) s in microseconds, times 2^43, rounded down.
    private static let octave: [UInt64] = [
        8_796_093_022_208_000_000, 9_592_207_457_960_739_966, 10_460_376_406_235_541_365, 11_407_121_357_589_076_395,
        12_439_554_047_901_899_540, 13_565_429_880_144_428_433, 14_793_206_181_225_838_611, 16_132_105_731_538_263_960,
    ]

    /// The upper bounds of all buckets by their places, in microseconds, rounded down. Exact: rounding down twice is
    /// rounding down once.
    package static let upperBounds: [Int64] =
        [0]
        + (firstIndex..<firstIndex + count).map { index in
            // 2^43 / 2^(index / 8), rounded towards -infinity.
            let shift = 43 - (index >> 3)
            return Int64(octave[index & 7] >> UInt64(shift))
        }

    /// By the number of bits of a latency and the three bits behind the first, the place of the first bucket that may
    /// hold it: the rest is a walk of a step or two.
    private static let firstPlaces: [Int] = (0..<64).flatMap { bits in
        (0..<8 as Range<Int128>).map { next in
            let least = ((8 + next) << Int128(bits)) >> 4
            return upperBounds.firstIndex { Int128($0) >= least } ?? count
        }
    }

    /// The place of the bucket that holds a latency; the last one for latencies beyond it.
    package static func place(of microseconds: Int64) -> Int {
        guard microseconds > 0 else { return 0 }
        let bounds = upperBounds
        let zeros = microseconds.leadingZeroBitCount
        let next = (microseconds << zeros) >> 60 & 7
        var place = firstPlaces[(Int64.bitWidth - zeros) << 3 | Int(next)]
        while place < count, bounds[place] < microseconds { place += 1 }
        return place
    }

    /// Observations whose classic buckets alone are known. Those of a classic bucket go into the bucket that holds its
    /// upper bound; those above the last bound go into the bucket after that.
    package init(counts: [Int64], bounds: HistogramBounds) {
        for (bucket, count) in counts.enumerated() where count > 0 {
            let place =
                bucket < bounds.microseconds.count
                ? Self.place(of: bounds.microseconds[bucket])
                : min(Self.count, Self.place(of: bounds.microseconds[bucket - 1]) + 1)
            add(count, at: place)
        }
    }
}

extension NativeBuckets {
    /// The latency that a share of the observations does not exceed, in microseconds; `nil` without observations.
    ///
    /// Interpolated within its bucket, so it is off by 9 % at most.
    package func quantile(percent: Int64) -> Int64? {
        let total = words.indices.reduce(Int128(0)) { $0 + Int128(self[$1].count) }
        let rank = total * Int128(percent)
        var below: Int128 = 0
        for bucket in words.indices.lazy.map({ self[$0] }) {
            let count = Int128(bucket.count) * 100
            if below + count >= rank {
                guard bucket.place > 0 else { return 0 }
                let lower = Self.upperBounds[bucket.place - 1]
                let width = Self.upperBounds[bucket.place] - lower
                return lower + Int64(Int128(width) * (rank - below) / count)
            }
            below += count
        }
        return nil
    }
}
