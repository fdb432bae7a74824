import Model
import Testing

@testable import Pricing

@Suite("Off-peak prices") struct OffPeakTests {
    /// A time of 2026-11-30, a Monday, or of a later day.
    private static func time(day: Int = 30, _ hour: Int, _ minute: Int, milliseconds: Int64 = 0) -> Instant {
        // Day 30 is 20,787 days after 1970-01-01.
        let minutes = Int64((20_787 + day - 30) * 1440 + hour * 60 + minute)
        return Instant(unixMilliseconds: minutes * 60_000 + milliseconds)
    }

    /// Whether a call of 1 token costs 1 USD (off-peak), not 2.
    private static func isOffPeak(_ pricing: String, at time: Instant?) throws -> Bool {
        let fields = """
            "input_cost_per_token": 2, "output_cost_per_token": 0,
            "off_peak_pricing": {"input_cost_per_token": 1, \(pricing)}
            """
        let cost = try PricingTests.cost(fields, call(input: 1, time: time))
        #expect(cost == "1" || cost == "2")
        return cost == "1"
    }

    @Test(
        "hold from the first minute of a window to the last before its end",
        arguments: [
            (16, 29, false), (16, 30, true), (20, 0, true), (23, 59, true), (0, 0, false),
        ])
    func edges(hour: Int, minute: Int, holds: Bool) throws {
        #expect(try Self.isOffPeak(#""hours_utc": "16:30-00:00""#, at: Self.time(hour, minute)) == holds)
        let lastMoment = Self.time(hour, minute, milliseconds: 59_999)
        #expect(try Self.isOffPeak(#""hours_utc": "16:30-00:00""#, at: lastMoment) == holds)
    }

    @Test(
        "hold across midnight",
        arguments: [
            (16, 29, false), (16, 30, true), (23, 59, true), (0, 0, true), (0, 29, true), (0, 30, false),
            (12, 0, false),
        ])
    func acrossMidnight(hour: Int, minute: Int, holds: Bool) throws {
        #expect(try Self.isOffPeak(#""hours_utc": "16:30-00:30""#, at: Self.time(hour, minute)) == holds)
    }

    @Test("hold in each of several windows", arguments: [(3, true), (5, false), (7, true), (9, false)])
    func severalWindows(hour: Int, holds: Bool) throws {
        for hours in [#"["02:00-04:00", "06:00-08:00"]"#, #"[" 02:00 - 04:00 ", "06:00-08:00"]"#] {
            #expect(try Self.isOffPeak(#""hours_utc": \#(hours)"#, at: Self.time(hour, 0)) == holds)
        }
    }

    @Test("a window that ends where it begins is a whole day", arguments: [0, 11, 23])
    func wholeDay(hour: Int) throws {
        for hours in ["00:00-00:00", "11:30-11:30"] {
            #expect(try Self.isOffPeak(#""hours_utc": "\#(hours)""#, at: Self.time(hour, 30)))
        }
    }

    @Test(
        "hold on the days of their window, by number and by name",
        arguments: [
            (30, "1", true), (30, "2", false), (31, "2", true), (36, "7", true), (37, "1", true), (37, "7", false),
            (30, #""mon""#, true), (30, #""Monday""#, true), (36, #""SUN""#, true), (35, #""sat", "sun""#, true),
            (34, #""sat", "sun""#, false), (34, "1, 2, 3, 4, 5", true), (35, "1, 2, 3, 4, 5", false),
        ])
    func weekdays(day: Int, days: String, holds: Bool) throws {
        let windows = #""windows": [{"hours_utc": ["10:00-14:00"], "weekdays": [\#(days)]}]"#
        #expect(try Self.isOffPeak(windows, at: Self.time(day: day, 12, 0)) == holds)
        #expect(try !Self.isOffPeak(windows, at: Self.time(day: day, 14, 0)))
    }

    @Test(
        "reckon days by the calendar of their time zone, and hours by UTC",
        arguments: [
            // 16:00 of UTC on a Sunday is midnight in Shanghai: Monday begins.
            (36, 15, 59, "UTC", true), (36, 16, 0, "UTC", true), (36, 15, 59, "Asia/Shanghai", true),
            (36, 16, 0, "Asia/Shanghai", false), (37, 0, 0, "Asia/Shanghai", false),
            (35, 15, 59, "Asia/Shanghai", false),
            (35, 16, 0, "Asia/Shanghai", true), (35, 18, 29, "Asia/Kolkata", false), (35, 18, 30, "Asia/Kolkata", true),
            (35, 14, 59, "Asia/Tokyo", false), (35, 15, 0, "Asia/Tokyo", true),
        ])
    func timeZones(day: Int, hour: Int, minute: Int, zone: String, holds: Bool) throws {
        let windows =
            #""weekday_timezone": "\#(zone)", "windows": [{"hours_utc": "00:00-00:00", "weekdays": ["sun"]}]"#
        #expect(try Self.isOffPeak(windows, at: Self.time(day: day, hour, minute)) == holds)
    }

    @Test("hold in windows with and without days together")
    func bothForms() throws {
        let pricing = #""hours_utc": "01:00-02:00", "windows": [{"hours_utc": "10:00-11:00", "weekdays": [2]}]"#
        for (day, hour, holds) in [(30, 1, true), (31, 1, true), (30, 10, false), (31, 10, true)] {
            #expect(try Self.isOffPeak(pricing, at: Self.time(day: day, hour, 30)) == holds)
        }
    }

    @Test("before 1970 days and hours are those of the calendar")
    func early() throws {
        // 1969-12-31 was a Wednesday.
        let windows = #""windows": [{"hours_utc": "23:00-00:00", "weekdays": [3]}]"#
        #expect(try Self.isOffPeak(windows, at: Instant(unixMilliseconds: -1)))
        #expect(try !Self.isOffPeak(windows, at: Instant(unixMilliseconds: -3_600_001)))
    }

    @Test("hold at no time that is not known, and without hours never")
    func never() throws {
        #expect(try !Self.isOffPeak(#""hours_utc": "00:00-00:00""#, at: nil))
        #expect(try !Self.isOffPeak(#""windows": []"#, at: Self.time(1, 0)))
        #expect(try !Self.isOffPeak(#""hours_utc": null"#, at: Self.time(1, 0)))
    }

    private static let allDay = #""off_peak_pricing": {"hours_utc": "00:00-00:00", "#

    @Test("leave a kind without an off-peak rate at the rate that holds otherwise, in steps and tiers too")
    func partly() throws {
        let fields = #"""
            "input_cost_per_token": 4e-6, "output_cost_per_token": 8e-6, "cache_read_input_token_cost": 1e-6,
            "input_cost_per_token_above_1k_tokens": 6e-6, "input_cost_per_token_flex": 3e-6,
            "output_cost_per_token_above_1k_tokens": 9e-6,
            """# + Self.allDay + #""input_cost_per_token": 2e-6}"#
        func cost(_ input: Int64, _ tier: ServiceTier = .standard) throws -> String? {
            let details = CallDetails(serviceTier: tier)
            return try PricingTests.cost(
                fields, call(input: input, output: 100, parts: [.cacheRead: 100], details, time: Self.time(1, 0)))
        }
        #expect(try cost(1000) == "0.0027")
        #expect(try cost(1001) == "0.002802")
        #expect(try cost(1000, .flex) == "0.0027")
    }

    @Test("are not those of batches")
    func batches() throws {
        let fields =
            #""input_cost_per_token": 4e-6, "output_cost_per_token": 0, "input_cost_per_token_batches": 3e-6, "#
            + Self.allDay + #""input_cost_per_token": 1e-6}"#
        for (tier, cost) in [(ServiceTier.standard, "0.001"), (.batch, "0.003")] {
            let record = call(input: 1000, CallDetails(serviceTier: tier), time: Self.time(1, 0))
            #expect(try PricingTests.cost(fields, record) == cost)
        }
    }

    @Test(
        "that are wrong in a price file leave their model without a price, and are warned of with the remedy",
        arguments: [
            (#""hours_utc": "16:30""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "16:30-24:00""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "16:60-17:00""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "4-5""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "01:00-02:00-03:00""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "-1:00-02:00""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""hours_utc": "01:00-02:00 or so""#, "hours_utc must be hours of UTC as in 16:30-00:30"),
            (#""windows": [{"weekdays": [1]}]"#, "windows needs hours_utc, as in 16:30-00:30"),
            (
                #""windows": [{"hours_utc": "01:00-02:00", "weekdays": [0]}]"#,
                "weekdays is not of the form that LiteLLM's table has"
            ),
            (
                #""windows": [{"hours_utc": "01:00-02:00", "weekdays": ["funday"]}]"#,
                "weekdays must be a day of the week: 1 to 7, or mon to sun"
            ),
            (
                #""hours_utc": "01:00-02:00", "weekday_timezone": "Europe/Berlin""#,
                "weekday_timezone must be one of Asia/Hong_Kong, Asia/Kolkata, Asia/Seoul, Asia/Shanghai, "
                    + "Asia/Singapore, Asia/Taipei, Asia/Tokyo, Etc/UTC, UTC"
            ),
            (#""hours_utc": "01:00-02:00", "output_cost_per_token": -1"#, "output_cost_per_token \(Rate.form)"),
        ])
    func unpriced(pricing: String, reason: String) throws {
        let entry =
            #"{"litellm_provider": "p", "input_cost_per_token": 1e-6, "off_peak_pricing": {\#(pricing)}}"#
        let file = try PriceFile(
            Array(#"{"m": \#(entry), "n": {"litellm_provider": "p", "input_cost_per_token": 1e-6}}"#.utf8),
            spellings: ProviderSpellings())
        #expect(file.doubts.map(\.description) == [#"line 1: "m": \#(reason)"#])
        #expect(file.layer["m"]?.price?.isIncomplete == true)
        #expect(file.layer["n"]?.price?.isIncomplete == false)
    }
}
