/// The ids of the last `window`, at most `maxIDs` of them.
///
/// A ring holds the digests in order of arrival, the oldest at its front; an open-addressing table of 32-bit places
/// in the ring finds them. 32 bytes in the ring and 7 to 13 in the table for each id. The table is split by the first
/// bits of the digest, so that growing it never moves more than one part at a time.
package struct RecentIDs: Sendable {
    package let window: Duration
    package let maxIDs: Int
    /// The oldest id that `maxIDs` pushed out before its time, and when.
    private var evicted: (age: Int64, at: Instant)?

    private var ring: Ring
    private var parts: [Part]

    private static let partBits = 8
    /// Expired ids forgotten by one batch, beside as many as it adds.
    private static let pruneStep = 64

    package init(window: Duration, maxIDs: Int) {
        self.init(window: window, maxIDs: maxIDs, firstPlace: 0)
    }

    /// - Parameter firstPlace: the first place; a test begins just before they wrap around.
    init(window: Duration, maxIDs: Int, firstPlace: UInt32) {
        self.window = window
        self.maxIDs = maxIDs
        ring = Ring(firstPlace: firstPlace)
        parts = Array(repeating: Part(), count: 1 << Self.partBits)
    }

    package var count: Int { ring.count }

    /// How long an id is remembered now: `window`, or less while `maxIDs` pushes ids out before their time.
    package func effectiveWindow(now: Instant) -> Duration {
        guard let evicted, now < evicted.at.adding(window) else { return window }
        return min(window, .milliseconds(evicted.age))
    }

    /// The content remembered with `key`, unless its time is over.
    package func content(of key: Digest, now: Instant) -> UInt64? {
        guard let place = parts[part(of: key)].find(key, in: ring) else { return nil }
        let entry = ring[place]
        return isExpired(entry, now: now) ? nil : entry.content
    }

    /// - Parameter now: no earlier than that of the id before.
    package mutating func remember(_ id: RememberedID, now: Instant) {
        let part = part(of: id.key)
        let entry = Entry(key: id.key.bits, content: id.content, unixMilliseconds: now.unixMilliseconds)
        parts[part].insert(ring.append(entry), key: id.key, in: ring)
        while ring.count > maxIDs {
            let oldest = ring.first
            if !isExpired(oldest, now: now) {
                evicted = (max(0, now.unixMilliseconds - oldest.unixMilliseconds), now)
            }
            dropFirst()
        }
    }

    /// - Parameter added: ids that the batch adds; as many expired ones go beside the usual few, or they would pile up.
    mutating func prune(now: Instant, beside added: Int = 0) {
        for _ in 0..<(Self.pruneStep + added) {
            guard ring.count > 0, isExpired(ring.first, now: now) else { return }
            dropFirst()
        }
    }

    /// For a start, when no batch waits.
    package mutating func pruneAll(now: Instant) {
        while ring.count > 0, isExpired(ring.first, now: now) { dropFirst() }
    }

    private mutating func dropFirst() {
        let key = Digest(bits: ring.first.key)
        parts[part(of: key)].remove(key, at: ring.firstPlace, in: ring)
        ring.removeFirst()
    }

    private func isExpired(_ entry: Entry, now: Instant) -> Bool {
        entry.unixMilliseconds + window.wholeMilliseconds <= now.unixMilliseconds
    }

    private func part(of key: Digest) -> Int {
        Int(truncatingIfNeeded: key.bits >> UInt128(128 - Self.partBits))
    }

    fileprivate struct Entry: Sendable {
        let key: UInt128
        let content: UInt64
        let unixMilliseconds: Int64
    }

    /// Entries in order of arrival, in chunks, so that it grows and shrinks without moving any.
    ///
    /// A place is the number of the entry since the beginning, modulo 2^31.
    fileprivate struct Ring: Sendable {
        private var chunks: [[Entry]] = []
        private var offset = 0
        private(set) var count = 0
        private(set) var firstPlace: UInt32

        private static let chunkShift = 12
        private static let placeMask = UInt32.max >> 1

        init(firstPlace: UInt32) {
            self.firstPlace = firstPlace & Self.placeMask
        }

        subscript(place: UInt32) -> Entry {
            let index = offset + Int((place &- firstPlace) & Self.placeMask)
            return chunks[index >> Self.chunkShift][index & (1 << Self.chunkShift - 1)]
        }

        var first: Entry { self[firstPlace] }

        mutating func append(_ entry: Entry) -> UInt32 {
            if (offset + count) & (1 << Self.chunkShift - 1) == 0 {
                var chunk: [Entry] = []
                chunk.reserveCapacity(1 << Self.chunkShift)
                chunks.append(chunk)
            }
            chunks[chunks.count - 1].append(entry)
            count += 1
            return (firstPlace &+ UInt32(count - 1)) & Self.placeMask
        }

        mutating func removeFirst() {
            firstPlace = (firstPlace &+ 1) & Self.placeMask
            offset += 1
            count -= 1
            if offset == 1 << Self.chunkShift {
                chunks.removeFirst()
                offset = 0
            }
        }
    }

    /// One part of the table: linear probing, at most three quarters full.
    fileprivate struct Part: Sendable {
        /// Places in the ring, of the slots whose tag is not `empty`.
        private var slots: [UInt32] = []
        /// By slot, a few bits of the key: of the keys that are not its own, a search reads one in 255 in the ring,
        /// which is far away in memory.
        private var tags: [UInt8] = []
        private var used = 0

        /// The tag of a slot that holds nothing.
        private static let empty: UInt8 = 0

        func find(_ key: Digest, in ring: Ring) -> UInt32? {
            slot(of: key, in: ring).map { slots[$0] }
        }

        /// An entry with the same key, expired by now, gives its slot to the new one.
        mutating func insert(_ place: UInt32, key: Digest, in ring: Ring) {
            if let slot = slot(of: key, in: ring) {
                slots[slot] = place
                return
            }
            if (used + 1) * 4 > slots.count * 3 { grow(in: ring) }
            put(place, key: key)
            used += 1
        }

        /// Does nothing when the key's slot points to a newer entry.
        mutating func remove(_ key: Digest, at place: UInt32, in ring: Ring) {
            guard var hole = slot(of: key, in: ring), slots[hole] == place else { return }
            // Closes the gap, so that no search ends before it should (Knuth, volume 3, section 6.4, algorithm R).
            let mask = slots.count - 1
            var next = (hole + 1) & mask
            while tags[next] != Self.empty {
                let home = Self.home(of: Digest(bits: ring[slots[next]].key), mask: mask)
                if (next - home) & mask >= (next - hole) & mask {
                    slots[hole] = slots[next]
                    tags[hole] = tags[next]
                    hole = next
                }
                next = (next + 1) & mask
            }
            tags[hole] = Self.empty
            used -= 1
        }

        private static func home(of key: Digest, mask: Int) -> Int {
            Int(truncatingIfNeeded: key.bits) & mask
        }

        /// From other bits than the part and the home.
        private static func tag(of key: Digest) -> UInt8 {
            max(1, UInt8(truncatingIfNeeded: key.bits >> 64))
        }

        private func slot(of key: Digest, in ring: Ring) -> Int? {
            guard !slots.isEmpty else { return nil }
            let mask = slots.count - 1
            let tag = Self.tag(of: key)
            var slot = Self.home(of: key, mask: mask)
            while tags[slot] != Self.empty {
                if tags[slot] == tag, ring[slots[slot]].key == key.bits { return slot }
                slot = (slot + 1) & mask
            }
            return nil
        }

        private mutating func put(_ place: UInt32, key: Digest) {
            let mask = slots.count - 1
            var slot = Self.home(of: key, mask: mask)
            while tags[slot] != Self.empty { slot = (slot + 1) & mask }
            slots[slot] = place
            tags[slot] = Self.tag(of: key)
        }

        private mutating func grow(in ring: Ring) {
            let old = zip(slots, tags)
            slots = Array(repeating: 0, count: max(8, slots.count * 2))
            tags = Array(repeating: Self.empty, count: slots.count)
            for (place, tag) in old where tag != Self.empty { put(place, key: Digest(bits: ring[place].key)) }
        }
    }
}
