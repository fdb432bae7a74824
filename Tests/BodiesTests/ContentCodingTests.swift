import Bodies
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
