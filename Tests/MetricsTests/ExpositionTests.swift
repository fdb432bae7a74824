import Metrics
import Model
import Testing

@Suite("Exposition") struct ExpositionTests {
    @Test(
        "names its content type",
        arguments: [
            (ExpositionFormat.text, "text/plain; version=0.0.4; charset=utf-8"),
            (.openMetrics(hasCreatedSamples: false), "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ])
    func contentType(format: ExpositionFormat, expected: String) {
        #expect(format.contentType == expected)
    }

    @Test("shows HELP and TYPE of every family, in the contract's order, before any record")
    func emptyRegistry() {
        let families = [
            ("llm_calls_total", "counter"), ("llm_tokens_total", "counter"), ("llm_cost_usd_total", "counter"),
            ("llm_memory_rss_mb", "gauge"), ("llm_memory_available_mb", "gauge"), ("llm_active_calls", "gauge"),
            ("llm_latency_seconds", "histogram"), ("llm_api_latency_seconds", "histogram"),
            ("llm_input_tokens_last_call", "gauge"), ("llm_output_tokens_last_call", "gauge"),
            ("llm_time_to_first_token_seconds", "histogram"), ("llm_token_usage_total", "counter"),
            ("llm_tool_requests_total", "counter"),
            ("llm_plan_equivalent_usd_total", "counter"), ("llm_calls_unpriced_total", "counter"),
            ("llm_calls_usage_missing_total", "counter"), ("llm_errors_total", "counter"),
            ("llm_active_calls_expired_total", "counter"), ("own_total", "counter"), ("own", "gauge"),
        ]
        let own = [
            MetricFamily(name: "own_total", kind: .counter, help: "One.", samples: []),
            MetricFamily(name: "own", kind: .gauge, help: "Two.", samples: []),
        ]
        let text = Day().scrape(.text, own: own).split(separator: "\n", omittingEmptySubsequences: false)
        let openMetrics = Day().scrape(.openMetrics(hasCreatedSamples: false), own: own).split(
            separator: "\n", omittingEmptySubsequences: false)
        #expect(text.count == families.count * 2 + 1)
        #expect(openMetrics.count == families.count * 2 + 2)
        #expect(openMetrics.suffix(2) == ["# EOF", ""])
        for (place, (name, kind)) in families.enumerated() {
            let short = name.hasSuffix("_total") ? name.dropLast(6) : name[...]
            #expect(text[place * 2].hasPrefix("# HELP \(name) "))
            #expect(text[place * 2 + 1] == "# TYPE \(name) \(kind)")
            #expect(openMetrics[place * 2].hasPrefix("# HELP \(short) "))
            #expect(openMetrics[place * 2 + 1] == "# TYPE \(short) \(kind)")
        }
    }

    @Test("shows further kinds of tokens, searches and plan equivalents of the sets that have them")
    func wholeBill() throws {
        var usage = Usage(input: 100, output: 50, cacheRead: 10, cacheWrite: 20, reasoning: 3)
        usage[.cacheWrite1h] = 15
        usage[.inputAudio] = 30
        usage[.outputImage] = 4
        guard case .end(var record) = Event.call("A", "p", "m", usage: usage, picoUSD: 1_250_000_000_000) else {
            return
        }
        record.isPlan = true
        record.details = CallDetails(webSearches: 2)
        var day = Day()
        try day.happened(.end(record))
        let shown = Set(day.samples())
        let labels = #"agent_name="A",provider="p",model="m""#
        for (kind, tokens) in [
            ("input", 40), ("cache_read", 10), ("cache_write", 5), ("cache_write_1h", 15), ("input_audio", 30),
            ("output", 43), ("reasoning", 3), ("output_image", 4),
        ] {
            #expect(shown.contains("llm_token_usage_total{\(labels),token_type=\"\(kind)\"} \(tokens)"))
        }
        #expect(!shown.contains { $0.contains("input_image") || $0.contains("output_audio") })
        #expect(shown.contains("llm_tool_requests_total{\(labels),tool=\"web_search\"} 2"))
        #expect(shown.contains("llm_plan_equivalent_usd_total{\(labels)} 1.25"))
        #expect(!shown.contains { $0.hasPrefix("llm_cost_usd_total") })
    }

    @Test("shows a new set's outcomes, tokens and missing usage from 0, and no cost that is not known")
    func firstRecord() throws {
        var day = Day()
        try day.happened(.call("A", "p", "m", status: "error", errorType: "unknown"))
        #expect(
            day.samples() == [
                #"llm_calls_total{agent_name="A",provider="p",model="m",status="success"} 0"#,
                #"llm_calls_total{agent_name="A",provider="p",model="m",status="error"} 1"#,
                #"llm_tokens_total{agent_name="A",provider="p",model="m"} 0"#,
                #"llm_calls_unpriced_total{provider="p",model="m"} 1"#,
                #"llm_calls_usage_missing_total{agent_name="A",provider="p",model="m"} 0"#,
                #"llm_errors_total{agent_name="A",provider="p",model="m",error_type="unknown"} 1"#,
            ])
    }

    @Test("shows a cost of 0 that was reported")
    func freeCall() throws {
        var day = Day()
        try day.happened(.call("A", "p", "m", picoUSD: 0))
        #expect(day.samples().contains(#"llm_cost_usd_total{agent_name="A",provider="p",model="m"} 0"#))
        #expect(day.samples().contains(#"llm_calls_unpriced_total{provider="p",model="m"} 0"#))
    }

    @Test("shows statuses past their limit as _other, after success and error")
    func otherStatuses() throws {
        var day = Day()
        for number in 0..<12 { try day.happened(.call("A", "p", "m", status: "s\(number)", errorType: "e")) }
        let statuses = day.samples().filter { $0.hasPrefix("llm_calls_total") }.map {
            String($0.split(separator: "status=").last ?? "")
        }
        #expect(
            statuses == ["\"success\"} 0", "\"error\"} 0"] + (0..<11).map { "\"s\($0)\"} 1" } + ["\"_other\"} 1"])
    }

    @Test("shows active and expired calls only of agents that report starts; 0 does not vanish")
    func activeCalls() throws {
        var day = Day()
        try day.happened(.call("Silent", "p", "m"), .started("Watcher", id: 1))
        day.expireAllCalls()
        #expect(
            day.samples().filter { $0.hasPrefix("llm_active") } == [
                #"llm_active_calls{agent_name="Watcher"} 0"#,
                #"llm_active_calls_expired_total{agent_name="Watcher"} 1"#,
            ])
    }

    /// What a client may put into a name, and at unit level more: how it stands between quotes.
    static let hostileValues = [
        ("line\nfeed", #"line\nfeed"#), ("\r\n", "\r" + #"\n"#), ("tab\tand\u{0}nul", "tab\tand\u{0}nul"),
        (#"quote " quote"#, #"quote \" quote"#), (#"C:\new\"#, #"C:\\new\\"#), (#"\""#, #"\\\""#),
        ("e\u{301}", "e\u{301}"), ("\u{E9}", "\u{E9}"), ("👩‍👩‍👧‍👦 🇩🇪", "👩‍👩‍👧‍👦 🇩🇪"), ("\u{FEFF}\u{202E}", "\u{FEFF}\u{202E}"),
        ("},le=\"0.1\"} 1\n# EOF", #"},le=\"0.1\"} 1\n# EOF"#),
    ]

    @Test("keeps hostile label values intact, byte for byte", arguments: hostileValues, textFormats)
    func hostileLabels(value: (raw: String, escaped: String), format: ExpositionFormat) throws {
        var day = Day()
        try day.happened(.call(value.raw, value.raw, value.raw, picoUSD: 1_000_000_000_000))
        let own = MetricFamily(
            name: "own", kind: .gauge, help: value.raw,
            samples: [.init(labels: LabelBlock([("path", LabelValue(value.raw))]), value: .integer(1))])
        let escaped = value.escaped
        let expected = [
            #"llm_cost_usd_total{agent_name="\#(escaped)",provider="\#(escaped)",model="\#(escaped)"} 1"#,
            #"own{path="\#(escaped)"} 1"#,
        ]
        let scraped = Array(day.scrape(format, own: [own]).utf8).split(separator: UInt8(ascii: "\n"))
        for line in expected {
            // Compared as bytes: String holds "é" equal to "e" + U+0301.
            #expect(scraped.contains(Array(line.utf8)[...]), "\(line)")
        }
    }

    @Test(
        "escapes help as each format says",
        arguments: [
            (ExpositionFormat.text, #"# HELP own a\\b\nc"d"#),
            (.openMetrics(hasCreatedSamples: false), #"# HELP own a\\b\nc\"d"#),
        ])
    func help(format: ExpositionFormat, expected: String) {
        let own = MetricFamily(name: "own", kind: .gauge, help: "a\\b\nc\"d", samples: [])
        #expect(Day().scrape(format, own: [own]).split(separator: "\n").contains(expected[...]))
    }

    @Test(
        "prints exact numbers as plain decimals",
        arguments: [
            (MetricFamily.Value.integer(0), "0"), (.integer(26_450_535), "26450535"), (.integer(-7), "-7"),
            (.integer(.max), "170141183460469231731687303715884105727"),
            (.scaled(5_807_479_500_000, scale: 12), "5.8074795"),
            (.scaled(1, scale: 12), "0.000000000001"), (.scaled(1_000_000_000_000, scale: 12), "1"),
            (.scaled(10_000_000_000_000, scale: 12), "10"), (.scaled(-1_500_000, scale: 6), "-1.5"),
            (.scaled(-1, scale: 6), "-0.000001"), (.scaled(0, scale: 6), "0"),
            (.scaled(1_000_000_000_000_000_000_000_000_000_000, scale: 12), "1000000000000000000"),
        ])
    func exactNumbers(value: MetricFamily.Value, expected: String) {
        let own = MetricFamily(name: "own", kind: .gauge, help: "", samples: [.init(value: value)])
        #expect(Day().samples(own: [own]) == ["own \(expected)"])
    }

    @Test(
        "prints gauges as the shortest text that reads back",
        arguments: [
            (300.0, "300"), (256.5, "256.5"), (0, "0"), (0.1, "0.1"), (1e-5, "1e-05"), (1.5e20, "1.5e+20"),
            (1e9, "1000000000"),
            (123_456_789.125, "123456789.125"), (.leastNonzeroMagnitude, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"),
            (-2.5, "-2.5"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN"),
            (0.30000000000000004, "0.30000000000000004"),
            (1_700_000_000.25, "1700000000.25"), (9_007_199_254_740_992, "9007199254740992"),
        ])
    func gauges(value: Double, expected: String) throws {
        let own = MetricFamily(name: "own", kind: .gauge, help: "", samples: [.init(value: .double(value))])
        #expect(Day().samples(own: [own]) == ["own \(expected)"])
        var day = Day()
        try day.happened(.call("A", "p", "m", memoryRSSMegabytes: value, memoryAvailableMegabytes: value))
        #expect(
            day.samples().filter { $0.hasPrefix("llm_memory") } == [
                #"llm_memory_rss_mb{agent_name="A"} \#(expected)"#, "llm_memory_available_mb \(expected)",
            ])
    }

    @Test(
        "prints integers and money of every length",
        arguments: [
            0, 9, 10, 99, 100, 12_345_678_901, 1_000_000_000_000_000_000, Int64.max,
        ])
    func lengths(tokens: Int64) throws {
        var day = Day()
        try day.happened(.call("A", "p", "m", usage: Usage(total: tokens), latencyMicroseconds: tokens))
        #expect(day.samples().contains(#"llm_tokens_total{agent_name="A",provider="p",model="m"} \#(tokens)"#))
        let seconds = PlainDecimal.text(Int128(tokens), scale: 6)
        #expect(day.samples().contains(#"llm_latency_seconds_sum{agent_name="A",provider="p",model="m"} \#(seconds)"#))
    }

    @Test("writes le with a point, and a value on its bound into that bucket", arguments: textFormats)
    func bounds(format: ExpositionFormat) throws {
        var day = Day()
        for milliseconds in [100, 500, 1_000, 2_000, 2_500, 5_000, 10_000, 10_001] as [Int64] {
            try day.happened(.call("A", "p", "m", apiLatencyMicroseconds: milliseconds * 1_000))
        }
        let buckets = [
            ("0.1", 1), ("0.5", 2), ("1.0", 3), ("2.5", 5), ("5.0", 6), ("10.0", 7), ("+Inf", 8),
        ].map { #"llm_api_latency_seconds_bucket{agent_name="A",provider="p",le="\#($0)"} \#($1)"# }
        #expect(
            day.samples(format).filter { $0.hasPrefix("llm_api") } == buckets + [
                #"llm_api_latency_seconds_sum{agent_name="A",provider="p"} 31.101"#,
                #"llm_api_latency_seconds_count{agent_name="A",provider="p"} 8"#,
            ])
    }

    @Test("replaces a bucket's exemplar by the newest, across batches")
    func exemplars() throws {
        var day = Day()
        try day.happened(.call(latencyMicroseconds: 20_000_000, traceID: "aa"))
        try day.happened(
            .call(latencyMicroseconds: 30_000_000, traceID: "bb"), .call(latencyMicroseconds: 30_000_000))
        let last = #"provider="openai",model="gpt-4o-mini",le="+Inf"} 3 # {trace_id="bb"} 30 1700000000.123"#
        #expect(
            day.samples(.openMetrics(hasCreatedSamples: false)).filter { $0.contains("trace_id") }.map {
                $0.hasSuffix(last)
            } == [true])
        #expect(!day.scrape(.text).contains("trace_id"))
    }

    @Test("does not change what was read when batches follow")
    func snapshotsStay() throws {
        var day = Day()
        for number in 0..<200 { try day.happened(.call("A\(number)", "p", "m")) }
        let before = day.state.registry.snapshot
        let text = Day.text(of: before)
        for number in 0..<200 { try day.happened(.call("A\(number)", "p", "m")) }
        #expect(Day.text(of: before) == text)
        #expect(Day.text(of: day.state.registry.snapshot) != text)
    }
}
