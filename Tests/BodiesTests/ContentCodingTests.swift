import Bodies
import Concurrency
import Testing

@Suite("Content codings") struct ContentCodingTests {
    /// Text that compresses, and noise that does not.
    private static let bodies: [[UInt8]] = [
        Array("{}".utf8), Array(repeating: UInt8(ascii: "a"), count: 200_000),
        (0..<70_000).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) },
    ]

    @Test("what is encoded decodes to the same bytes", arguments: ContentCoding.offered, bodies)
    func roundTrip(coding: ContentCoding, body: [UInt8]) throws {
        let encoded = try #require(coding.encode(body))
        let decoded = try coding.decode(PaddedBytes(encoded), limit: body.count)
        #expect(unsafe decoded.withUnsafeBytes { unsafe Array($0) } == body)
        let inPlace = try #require(coding.encodedInPlace(body))
        #expect(unsafe inPlace.withUnsafeBytes { unsafe Array($0) } == encoded)
    }

    @Test("a body of exactly the limit passes, one byte more does not", arguments: ContentCoding.offered)
    func limit(coding: ContentCoding) throws {
        let encoded = PaddedBytes(try #require(coding.encode(Array(repeating: 0, count: 100_000))))
        #expect(try coding.decode(encoded, limit: 100_000).count == 100_000)
        #expect(throws: ContentCoding.Failure.tooLarge) { try coding.decode(encoded, limit: 99_999) }
    }

    @Test("a body cut off anywhere is malformed", arguments: ContentCoding.offered)
    func truncated(coding: ContentCoding) throws {
        let encoded = try #require(coding.encode(Array("a body that is long enough to be cut in many places".utf8)))
        for length in 1..<encoded.count {
            #expect(throws: ContentCoding.Failure.malformed, "cut to \(length) of \(encoded.count) bytes") {
                try coding.decode(PaddedBytes(encoded.prefix(length)), limit: 1000)
            }
        }
    }

    /// A share of a memory with room for so many bytes.
    private final class Share: MemoryShare {
        private let room: Int
        private let state = Locked((bytes: 0, calls: 0))

        init(room: Int) { self.room = room }

        var bytes: Int { state.withLock { $0.bytes } }
        var calls: Int { state.withLock { $0.calls } }

        func grow(by bytes: Int) -> Bool {
            state.withLock { state in
                state.calls += 1
                guard state.bytes + bytes <= room else { return false }
                state.bytes += bytes
                return true
            }
        }
    }

    @Test("a client's share grows with what is decoded, and stops it where there is no room")
    func share() throws {
        let body = Array(repeating: UInt8(ascii: "a"), count: 3 << 20)
        for coding in ContentCoding.offered {
            // Two members or frames: only the first announces its length before it is decoded.
            let half = try #require(coding.encode(Array(body.prefix(body.count / 2))))
            let encoded = PaddedBytes(half + half)
            let share = Share(room: body.count)
            let decoded = try coding.decode(encoded, limit: body.count, share: share)
            #expect(unsafe decoded.withUnsafeBytes { unsafe $0.elementsEqual(body) })
            #expect(share.bytes == body.count)
            let small = Share(room: body.count - 1)
            #expect(throws: ContentCoding.Failure.noRoom) {
                try coding.decode(encoded, limit: body.count, share: small)
            }
        }
        // As it grows: long before all of it is decoded.
        let encoded = PaddedBytes(try #require(ContentCoding.gzip.encode(body)))
        let share = Share(room: 1 << 20)
        #expect(throws: ContentCoding.Failure.noRoom) {
            try ContentCoding.gzip.decode(encoded, limit: body.count, share: share)
        }
        #expect(share.bytes > 700_000 && share.calls <= 6)
    }

    @Test("bytes after the end are malformed, a second gzip member or zstd frame is not")
    func concatenated() throws {
        for coding in ContentCoding.offered {
            let encoded = try #require(coding.encode(Array("one".utf8)))
            #expect(throws: ContentCoding.Failure.malformed) {
                try coding.decode(PaddedBytes(encoded + [1, 2, 3]), limit: 1000)
            }
            let twice = try coding.decode(PaddedBytes(encoded + encoded), limit: 1000)
            #expect(unsafe twice.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) } == "oneone")
        }
    }

    @Test("deflate is zlib's format, and raw deflate as well")
    func deflate() throws {
        // "hi", compressed by zlib.compress and by zlib.compressobj(wbits=-15) of Python's standard library.
        let zlib: [UInt8] = [0x78, 0x9C, 0xCB, 0xC8, 0x04, 0x00, 0x01, 0x3B, 0x00, 0xD2]
        let raw: [UInt8] = [0xCB, 0xC8, 0x04, 0x00]
        for body in [zlib, raw] {
            let decoded = try ContentCoding.deflate.decode(PaddedBytes(body), limit: 10)
            #expect(unsafe decoded.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) } == "hi")
        }
    }

    @Test(
        "names are read in any case",
        arguments: [
            ("gzip", ContentCoding.gzip), ("X-GZIP", .gzip), ("Deflate", .deflate), ("zstd", .zstd), ("br", nil),
        ])
    func tokens(token: String, coding: ContentCoding?) {
        #expect(ContentCoding(token: token) == coding)
    }

    @Test(
        "a Content-Encoding is a list: empty elements are ignored, and identity is none",
        arguments: [
            ("", []), ("gzip", [.gzip]), ("gzip ,", [.gzip]), (", gzip", [.gzip]), (",,\t", []),
            ("gzip,,x-gzip", [.gzip, .gzip]), ("identity", []), ("Identity, ZSTD", [.zstd]),
            ("deflate ,\tgzip", [.deflate, .gzip]), ("br", nil), ("gzip, br", nil), ("gzip zstd", nil), ("gzip;", nil),
        ] as [(String, [ContentCoding]?)])
    func lists(header: String, codings: [ContentCoding]?) {
        #expect(ContentCoding.list(header) == codings)
    }
}
