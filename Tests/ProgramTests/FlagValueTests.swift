import Model
import Service
import Testing

@testable import llm_exporter

@Suite("Values of flags") struct FlagValueTests {
    @Test(
        "durations as Prometheus writes them",
        arguments: [
            ("24h", 86_400_000), ("1d12h", 129_600_000), ("500ms", 500), ("1m30s", 90_000), ("2w", 1_209_600_000),
            ("", nil), ("0s", nil), ("10", nil), ("-5s", nil), ("1.5h", nil), ("5 s", nil), ("h", nil), ("99999w", nil),
            ("9223372036854775807h", nil),
        ] as [(String, Int64?)])
    func durations(text: String, milliseconds: Int64?) {
        #expect(TimeSpan(text)?.duration.wholeMilliseconds == milliseconds)
    }

    @Test(
        "sizes with decimal and binary units",
        arguments: [
            ("32MiB", 33_554_432), ("500KB", 500_000), ("1", nil), ("32", nil), ("1023", nil), ("1KiB", 1024),
            ("1024", 1024), ("2GiB", 2_147_483_648), ("1mb", 1_000_000), ("", nil),
            ("0", nil), ("3GiB", nil), ("-1", nil), ("1.5MiB", nil), ("MiB", nil), ("9223372036854775807GiB", nil),
        ] as [(String, Int?)])
    func sizes(text: String, bytes: Int?) {
        #expect(ByteSize(text)?.bytes == bytes)
    }

    @Test(
        "bounds increase and are above 0",
        arguments: [
            ("0.1,0.5,1,2.5,5,10", HistogramBounds.standard.microseconds), ("1e-3", [1000]), ("1,1", nil), ("2,1", nil),
            ("0,1", nil), ("", nil), ("1,", nil), ("-1", nil), ("1,+Inf", nil), ("0.0000001", nil),
        ] as [(String, [Int64]?)])
    func bounds(text: String, microseconds: [Int64]?) {
        #expect(Buckets(text)?.bounds.microseconds == microseconds)
    }

    @Test("defaults are those of the contract, and print as it writes them")
    func defaults() throws {
        let defaults = Settings(build: Version.build)
        #expect(defaults.listenAddresses.map(\.description) == ["127.0.0.1:10140"])
        #expect(defaults.telemetryPath == "/metrics")
        #expect(Buckets(bounds: defaults.bounds).description == "0.1,0.5,1,2.5,5,10")
        #expect(TimeSpan(defaults.idWindow).description == "24h")
        #expect(TimeSpan(defaults.activeCallLease).description == "10m")
        #expect(ByteSize(bytes: defaults.bodyLimitBytes).description == "32MiB")
        #expect(defaults.maxIDs == 5_000_000)
        #expect(defaults.maxSeries == 10_000)
        #expect(Settings.storagePath == "data")
    }

    @Test(
        "durations and sizes print in the largest unit that divides them",
        arguments: [
            ("90s", "90s"), ("1d12h", "36h"), ("500ms", "500ms"), ("120m", "2h"),
        ])
    func durations(text: String, printed: String) { #expect(TimeSpan(text)?.description == printed) }

    @Test("sizes print so", arguments: [("1048576", "1MiB"), ("1025", "1025"), ("2GiB", "2GiB"), ("3KiB", "3KiB")])
    func sizes(text: String, printed: String) { #expect(ByteSize(text)?.description == printed) }
}
