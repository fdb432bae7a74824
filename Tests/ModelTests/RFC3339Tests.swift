import Model
import Testing

@Suite("RFC 3339") struct RFC3339Tests {
    @Test(
        "a moment in UTC, to the second and to the millisecond; parts of a second are cut off",
        arguments: [
            (0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            (999, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.999Z"),
            (-1, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.999Z"),
            (-86_400_000, "1969-12-31T00:00:00Z", "1969-12-31T00:00:00.000Z"),
            (951_782_399_042, "2000-02-28T23:59:59Z", "2000-02-28T23:59:59.042Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"),
            (1_795_464_900_007, "2026-11-23T20:15:00Z", "2026-11-23T20:15:00.007Z"),
            (-62_135_596_800_000, "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z"),
        ] as [(Int64, String, String)])
    func text(unixMilliseconds: Int64, seconds: String, milliseconds: String) {
        let instant = Instant(unixMilliseconds: unixMilliseconds)
        #expect(instant.rfc3339Seconds == seconds)
        #expect(instant.rfc3339Milliseconds == milliseconds)
    }
}
