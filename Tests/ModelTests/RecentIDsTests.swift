import Testing

@testable import Model

@Suite("Recent ids") struct RecentIDsTests {
    /// The same promise, kept with a dictionary and a list that is searched from end to end.
    private struct Plain {
        let windowMilliseconds: Int64
        let maxIDs: Int
        var entries: [(key: Digest, content: UInt64, at: Int64)] = []

        func isExpired(_ at: Int64, _ now: Instant) -> Bool { at + windowMilliseconds <= now.unixMilliseconds }

        func content(of key: Digest, now: Instant) -> UInt64? {
            guard let entry = entries.last(where: { $0.key == key }), !isExpired(entry.at, now) else { return nil }
            return entry.content
        }

        mutating func remember(_ key: Digest, content: UInt64, now: Instant) {
            entries.append((key, content, now.unixMilliseconds))
            if entries.count > maxIDs { entries.removeFirst(entries.count - maxIDs) }
        }

        mutating func prune(now: Instant) {
            var dropped = 0
            while dropped < 64, let first = entries.first, isExpired(first.at, now) {
                entries.removeFirst()
                dropped += 1
            }
        }
    }

    /// 2^31 - 1 is the last place: the larger ones wrap around on the way.
    @Test(
        "answer as a plain list does, whatever comes, also where the places wrap around",
        arguments: [0, 1 << 31 - 1, 1 << 31 - 100, 1 << 31 - 5_000] as [UInt32], [1, 7, 300, 100_000])
    func agreesWithPlainList(firstPlace: UInt32, maxIDs: Int) {
        var random = Seeded(UInt64(firstPlace) &+ UInt64(maxIDs))
        var ids = RecentIDs(window: .milliseconds(5_000), maxIDs: maxIDs, firstPlace: firstPlace)
        var plain = Plain(windowMilliseconds: 5_000, maxIDs: maxIDs)
        var now = dawn
        // Few keys in few parts of the table, so that they meet, expire and come again; some of them alike in all the
        // bits that place them.
        func key() -> Digest {
            let number = UInt128.random(in: 0..<400, using: &random)
            return Digest(bits: (number & 1) << 127 | (number & 0xE) << 60 | (number >> 4) << 3)
        }
        for step in 0..<12_000 {
            now = now.adding(.milliseconds(Int.random(in: -2...25, using: &random)))
            let key = key()
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                // As a batch does: only what is not remembered is remembered.
                if plain.content(of: key, now: now) == nil {
                    let content = UInt64(step)
                    ids.remember(RememberedID(key: key, content: content), now: now)
                    plain.remember(key, content: content, now: now)
                }
            case 5..<6:
                ids.prune(now: now)
                plain.prune(now: now)
            case 6 where step % 50 == 0:
                now = now.adding(.seconds(4))
            default:
                #expect(ids.content(of: key, now: now) == plain.content(of: key, now: now))
            }
            #expect(ids.count == plain.entries.count)
        }
        for number in 0..<400 as Range<UInt128> {
            let key = Digest(bits: (number & 1) << 127 | (number & 0xE) << 60 | (number >> 4) << 3)
            #expect(ids.content(of: key, now: now) == plain.content(of: key, now: now))
        }
    }

    @Test("are found among many, in several chunks, and gone when pruned")
    func many() {
        var ids = RecentIDs(window: .seconds(60), maxIDs: 1_000_000, firstPlace: 1 << 31 - 10_000)
        let count: UInt128 = 30_000
        for number in 0..<count {
            ids.remember(RememberedID(key: RecordID.example(number).end, content: UInt64(number)), now: dawn)
        }
        #expect(ids.count == Int(count))
        for number in 0..<count {
            #expect(ids.content(of: RecordID.example(number).end, now: dawn) == UInt64(number))
            #expect(ids.content(of: RecordID.example(number).start, now: dawn) == nil)
        }
        let later = dawn.adding(.seconds(60))
        #expect(ids.content(of: RecordID.example(1).end, now: later) == nil)
        var rounds = 0
        while ids.count > 0, rounds < 1_000 {
            ids.prune(now: later)
            rounds += 1
        }
        // 64 a round.
        #expect(rounds == 469)
        ids.remember(RememberedID(key: RecordID.example(1).end, content: 9), now: later)
        #expect(ids.content(of: RecordID.example(1).end, now: later) == 9)
    }

    @Test("are not pruned before their time")
    func pruneIsPatient() {
        var ids = RecentIDs(window: .seconds(60), maxIDs: 10)
        ids.remember(RememberedID(key: RecordID.example(1).end, content: 1), now: dawn)
        ids.prune(now: dawn.adding(.milliseconds(59_999)))
        #expect(ids.count == 1)
        ids.prune(now: dawn.adding(.seconds(60)))
        #expect(ids.count == 0)
    }

    @Test("the window is shorter for as long as ids were pushed out before their time")
    func effectiveWindow() {
        var ids = RecentIDs(window: .seconds(60), maxIDs: 2)
        ids.remember(RememberedID(key: RecordID.example(1).end, content: 1), now: dawn)
        ids.remember(RememberedID(key: RecordID.example(2).end, content: 1), now: dawn.adding(.seconds(1)))
        #expect(ids.effectiveWindow(now: dawn.adding(.seconds(1))) == .seconds(60))
        let evicting = dawn.adding(.seconds(10))
        ids.remember(RememberedID(key: RecordID.example(3).end, content: 1), now: evicting)
        #expect(ids.count == 2)
        #expect(ids.content(of: RecordID.example(1).end, now: evicting) == nil)
        #expect(ids.content(of: RecordID.example(2).end, now: evicting) == 1)
        #expect(ids.effectiveWindow(now: evicting) == .seconds(10))
        #expect(ids.effectiveWindow(now: dawn.adding(.seconds(69))) == .seconds(10))
        #expect(ids.effectiveWindow(now: dawn.adding(.seconds(70))) == .seconds(60))
        // Pushing out what had expired anyway shortens nothing.
        ids.remember(RememberedID(key: RecordID.example(4).end, content: 1), now: dawn.adding(.seconds(100)))
        #expect(ids.effectiveWindow(now: dawn.adding(.seconds(100))) == .seconds(60))
    }

    @Test("none are remembered where none may be")
    func noIDs() {
        var ids = RecentIDs(window: .seconds(60), maxIDs: 0)
        ids.remember(RememberedID(key: RecordID.example(1).end, content: 1), now: dawn)
        #expect(ids.count == 0)
        #expect(ids.content(of: RecordID.example(1).end, now: dawn) == nil)
        #expect(ids.effectiveWindow(now: dawn) == .zero)
    }
}
