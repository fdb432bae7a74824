import FoundationEssentials
import Model
import Testing

@testable import Store

/// A database of each schema version that was ever released, which every later version must read.
@Suite("The golden database") struct GoldenTests {
    private static func golden(_ version: Int64) -> URL {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/llm-exporter-schema-\(version).db")
    }

    /// Budgets came with version 2.
    private static func settings(_ version: Int64) -> StoreSettings {
        .example(
            maxSeries: 3,
            budgets: version < 2
                ? []
                : [
                    Budget(name: "all", limit: Money(picoUSD: 1_500_000_000_001) ?? .zero, period: .month),
                    Budget(
                        name: "é's \"week\"", agentName: "é", provider: "openai", model: "gpt-4o-mini", limit: .zero,
                        period: .week),
                ])
    }

    /// Something of everything, in five batches.
    private func written(to folder: StorageFolder, version: Int64) throws -> History {
        // Senders of starts came with version 3.
        var history = try History(
            folder, Self.settings(version), from: version < 3 ? .unknown : Sender("user ann"))
        try history.take([
            .end(
                CallRecord(
                    labels: SeriesLabels("Reviewer \"GPT\" 👩‍🔬", "openai", "gpt-4o-mini"),
                    usage: Usage(input: 1000, output: 436, cacheRead: 600, cacheWrite: 100, reasoning: 36),
                    cost: Money(picoUSD: 276_600_000_001), latencyMicroseconds: 150_000,
                    apiLatencyMicroseconds: 100_000, memoryRSSMegabytes: 256.5, memoryAvailableMegabytes: 1024,
                    id: .example(1, content: .max),
                    trace: Trace(id: "4bf92f3577b34da6a3ce929d0e0e4736", unixMilliseconds: 1_699_999_999_999))),
            .end(
                CallRecord(
                    labels: SeriesLabels("Reviewer \"GPT\" 👩‍🔬", "openai", "gpt-4o-mini"), status: "timeout",
                    errorType: "Read.Timeout:30s",
                    // Only later does a call that timed out lack its usage.
                    usage: version < 4 ? Usage(input: 0) : Usage(), latencyMicroseconds: 30_000_000, id: .example(2),
                    trace: Trace(id: "a", unixMilliseconds: 1_700_000_000_000))),
            .end(
                CallRecord(
                    labels: SeriesLabels("é", "local", "llama"), usage: Usage(total: 7), apiLatencyMicroseconds: 0,
                    memoryRSSMegabytes: 0, id: .example(3))),
            .started("é", 4), .started("é", 5), .started("Reviewer \"GPT\" 👩‍🔬", 6),
        ])
        // The whole bill came with version 4.
        let bill = SeriesLabels("é", "local", "llama")
        if version >= 4 { try history.take([.end(.ofWholeBill(bill)), .end(.ofPlan(bill))]) }
        history.pass(.seconds(90))
        // The time to the first token, and when series began, came with version 5.
        if version >= 5 { try history.take([.end(.ofStream(bill))]) }
        try history.take([
            .end(CallRecord(labels: SeriesLabels("e\u{301}", "local", "llama"), id: .example(7))),
            // Beyond the limit: of a known agent, and of a new one.
            .end(
                CallRecord(
                    labels: SeriesLabels("é", "openai", "gpt-4o-mini"), status: "rate_limited", errorType: "unknown",
                    cost: .zero, apiLatencyMicroseconds: 12_500_000, id: .example(8))),
            .end(
                CallRecord(
                    labels: SeriesLabels("Newcomer", "openai", "gpt-4o-mini"), status: "error", errorType: "E",
                    cost: Money(picoUSD: 1), memoryAvailableMegabytes: 0.1)),
            .end(
                CallRecord(
                    labels: SeriesLabels("Reviewer \"GPT\" 👩‍🔬", "openai", "gpt-4o-mini"), status: "error",
                    errorType: "unknown", usage: Usage(input: 0), latencyMicroseconds: 100_000)),
        ])
        history.pass(.seconds(10))
        try history.take([.ended("é", 4)], expiring: .seconds(100))
        history.pass(.seconds(1))
        try history.take([.started("Sleeper", 9)], expiring: .seconds(100))
        try history.take([.started("e\u{301}", 10)])
        return history
    }

    @Test("holds what was committed when it was made", arguments: [1, 2, 3, 4, 5] as [Int64])
    func isRead(version: Int64) throws {
        try withFolder { folder in
            let bytes = [UInt8](try Data(contentsOf: Self.golden(version)))
            #expect(bytes.count < 100_000)
            try folder.fill(["llm-exporter.db": bytes])
            let expected = try written(to: folder.beside("written"), version: version)
            expected.close()
            // As it is, before it is migrated.
            let report = try Inspection(folder).check()
            // The budgets were a batch of their own.
            let batch: Int64 = [5, 6, 6, 7, 8][Int(version) - 1]
            #expect(report.batch == batch && report.ids == 11 && report.calls == [8, 8, 8, 10, 11][Int(version) - 1])
            let backup = folder.beside("backup").path
            #expect(try Inspection(folder).copy(to: backup).batch == batch)
            let copied = [UInt8](try Data(contentsOf: URL(filePath: backup)))
            #expect(try folder.contents() == ["llm-exporter.db": bytes])
            let account = try folder.opened(Self.settings(version), now: expected.now).account(
                of: expected.ids, now: expected.now)
            let open = version < 3 ? "" : " from \"user ann\""
            if version < 4 {
                #expect(
                    account.filter { !$0.hasPrefix("budget") }.map { Self.known(to: 3, of: $0) }
                        == Self.account.map { $0.hasPrefix("open ") ? $0 + open : String($0) })
                #expect(account.filter { $0.hasPrefix("budget") }.map { $0[...] } == (version < 2 ? [] : Self.budgets))
            }
            #expect(try Inspection(folder).check().batch == batch)
            try folder.fill(["llm-exporter.db": copied])
            #expect(
                try folder.opened(Self.settings(version), now: expected.now).account(
                    of: expected.ids, now: expected.now) == account)
            // And with this version's own.
            #expect(
                account.map { Self.known(to: version, of: $0) }
                    == expected.account.map { Self.known(to: version, of: $0) })
        }
    }

    /// The part of a line of an account that a version stores.
    private static func known(to version: Int64, of line: String) -> String {
        let unknown: [String] = version < 4 ? ["; bill ", "; times "] : version < 5 ? ["; times "] : []
        let ends = unknown.compactMap { line.firstRange(of: $0)?.lowerBound }
        return String(line[..<(ends.min() ?? line.endIndex)])
    }

    @Test("of 0.1.0 gets native buckets from the classic ones, and no time at which its series began")
    func nativeBuckets() throws {
        try withFolder { folder in
            try folder.fill(["llm-exporter.db": [UInt8](try Data(contentsOf: Self.golden(2)))])
            for _ in 0..<2 {
                // The second time from what the first has migrated.
                let state = try folder.opened(Self.settings(2))
                let calls = Array(state.registry.calls.elements)
                #expect(calls.allSatisfy { $0.totals.created.set == nil && $0.totals.lastSeen == nil })
                let latency = try #require(calls[0].totals.latency)
                #expect(latency.counts == [1, 1, 0, 0, 0, 0, 1])
                // The buckets of 0.1 s and 0.5 s, and the first one above 10 s, which begins at 2^(27/8) s.
                let places = [100_000, 500_000].map(NativeBuckets.place) + [28 - NativeBuckets.firstIndex + 1]
                #expect((0..<3).map { latency.native[$0].place } == places)
                #expect(latency.native.total == 3)
                #expect(
                    state.registry.endpoints.elements.allSatisfy { $0.created == nil && $0.latency.native.total == 1 })
            }
        }
    }

    @Test("of 0.1.0 keeps its native buckets when the bounds change and when calls follow")
    func nativeBucketsGoOn() throws {
        try withFolder { folder in
            try folder.fill(["llm-exporter.db": [UInt8](try Data(contentsOf: Self.golden(2)))])
            let settings = StoreSettings.example(
                bounds: HistogramBounds(microseconds: [500_000]), maxSeries: 3, budgets: nil)
            let before = try #require(try folder.opened(settings).registry.calls.elements.first { _ in true })
            #expect(before.totals.latency?.counts == [2, 1])
            var history = try History(folder, settings)
            var record = CallRecord(
                labels: before.labels, status: "cancelled", errorType: "closed", latencyMicroseconds: 0)
            record.timeToFirstTokenMicroseconds = 1
            try history.take(record)
            try history.restart()
            let after = try #require(history.state.registry.calls.elements.first { _ in true }).totals
            #expect(after.latency?.native.total == 4 && after.latency?.native[0].place == 0)
            #expect(after.timeToFirstToken?.native.total == 1)
            #expect(after.created.set == nil && after.created[.latency] == nil)
            #expect(after.created[.timeToFirstToken] == dawn && after.created[.status("cancelled")] == dawn)
            history.close()
        }
    }

    @Test("of an earlier version is left as it is, if it is refused")
    func isRefusedUnmigrated() throws {
        try withFolder { folder in
            let golden = [UInt8](try Data(contentsOf: Self.golden(1)))
            try folder.fill(["llm-exporter.db": golden])
            #expect(throws: StoreError.self) {
                try folder.opened(.example(bounds: HistogramBounds(microseconds: [1, 2])))
            }
            #expect(try folder.contents() == ["llm-exporter.db": golden])

            // A total that is not what was written, in the database and in its WAL.
            for keepsWAL in [false, true] {
                try folder.fill(["llm-exporter.db": golden])
                let connection = try Connection(folder.database, .writing)
                try connection.keepWALOnClose(keepsWAL)
                try connection.execute("UPDATE call_series SET tokens = tokens + 1 WHERE number = 1")
                connection.close()
                let damaged = try folder.contents()
                #expect(damaged.keys.contains("llm-exporter.db-wal") == keepsWAL)
                let error = #expect(throws: StoreError.self) { try folder.opened(Self.settings(1)) }
                #expect(error?.kind == .damaged)
                #expect(try folder.contents() == damaged)
            }
        }
    }

    @Test("is the one that this version writes")
    func isWritten() throws {
        let golden = Self.golden(Schema.version)
        try withFolder { folder in
            try written(to: folder, version: Schema.version).close()
            let bytes = try Data(contentsOf: URL(filePath: folder.database))
            // To make it again.
            if ProcessInfo.processInfo.environment["LLM_EXPORTER_WRITE_GOLDEN"] != nil {
                try bytes.write(to: golden)
            }
            let kept = folder.beside("golden")
            try kept.fill(["llm-exporter.db": [UInt8](try Data(contentsOf: golden))])
            let ours = try Connection(folder.database, .readingClosed)
            let theirs = try Connection(kept.database, .readingClosed)
            defer {
                ours.close()
                theirs.close()
            }
            // The tables; versions of SQLite differ in the bytes around them.
            let tables = try ours.value("SELECT group_concat(sql, ';') FROM sqlite_schema ORDER BY name")
            #expect(try theirs.value("SELECT group_concat(sql, ';') FROM sqlite_schema ORDER BY name") == tables)
            #expect(try theirs.value("SELECT digest FROM head") == ours.value("SELECT digest FROM head"))
        }
    }

    private static let budgets: [Substring] = #"""
        budget 1 "all" of any any any: 0.276600000002 of 1.500000000001 a month since 1698796800000, 5 unpriced
        budget 2 "\u{00E9}\'s \"week\"" of "\u{00E9}" "openai" "gpt-4o-mini": 0 of 0 a week since 1699833600000, 1 \#
        unpriced
        """#.split(separator: "\n")

    private static let account: [Substring] = #"""
        bounds 0.1 0.5 1.0 2.5 5.0 10.0 +Inf, 3 places, memory available 0.1
        call 1 "Reviewer \"GPT\" \u{0001F469}\u{200D}\u{0001F52C}" "openai" "gpt-4o-mini": calls "success" 1, \#
        "timeout" 1, "error" 1; tokens 1436; kinds 300+600+100+400+36; cost 0.276600000001; usage missing 0; errors \#
        "Read.Timeout:30s" 1, "unknown" 1; last 0 436; latency [1, 1, 0, 0, 0, 0, 1], 30250000 us [1] \#
        4bf92f3577b34da6a3ce929d0e0e4736 at 1699999999999 of 150000 us [6] a at 1700000000000 of 30000000 us
        call 2 "\u{00E9}" "local" "llama": calls "success" 1; tokens 7; kinds none; cost none; usage missing 0; \#
        errors ; last none none; latency none
        call 3 "e\u{0301}" "local" "llama": calls "success" 1; tokens 0; kinds none; cost none; usage missing 1; \#
        errors ; last none none; latency none
        call 4 "\u{00E9}" "_other" "_other": calls "rate_limited" 1, "success" 1; tokens 0; kinds none; cost 0; \#
        usage missing 1; errors "unknown" 1; last none none; latency none
        call 5 "_other" "_other" "_other": calls "error" 1; tokens 0; kinds none; cost 0.000000000001; usage \#
        missing 0; errors "E" 1; last none none; latency none
        endpoint 1 "Reviewer \"GPT\" \u{0001F469}\u{200D}\u{0001F52C}" "openai": [1, 0, 0, 0, 0, 0, 0], 100000 us \#
        [0] 4bf92f3577b34da6a3ce929d0e0e4736 at 1699999999999 of 100000 us
        endpoint 2 "\u{00E9}" "local": [1, 0, 0, 0, 0, 0, 0], 0 us
        endpoint 3 "\u{00E9}" "_other": [0, 0, 0, 0, 0, 0, 1], 12500000 us
        offering 1 "openai" "gpt-4o-mini": 2 unpriced
        offering 2 "local" "llama": 2 unpriced
        offering 3 "_other" "_other": 1 unpriced
        agent 1 "Reviewer \"GPT\" \u{0001F469}\u{200D}\u{0001F52C}": 1 sets, memory 256.5, active reported 0, \#
        expired 1
        agent 2 "\u{00E9}": 1 sets, memory 0.0, active reported 0, expired 1
        agent 3 "e\u{0301}": 1 sets, memory none, active reported 1, expired 0
        agent 4 "_other": 0 sets, memory none, active reported 1, expired 0
        open 4 8ff34785799e5cc59082c363445c09dd "_other" since 1700000101000
        open 5 2e2ac13ef8e8d8db841f83c3a149d212 "e\u{0301}" since 1700000101000
        lease 8ff34785799e5cc59082c363445c09dd
        lease 2e2ac13ef8e8d8db841f83c3a149d212
        id 2b89a7b7a97aa4169c2752d532e57487 0 until 1700003600000
        id 3c6ef372fe94f82be73980c0b9db906a 1 until 1700003600000
        id 444121cd2827382c905b92b591f6bd5a 0 until 1700003600000
        id 538454127b096499a94942a28a807973 1 until 1700003690000
        id 78dde6e5fd29f057ce73018173b720d4 1 until 1700003700000
        id 7d7e806cacbb8c9ad64bd097e01b8641 0 until 1700003701000
        id 9e3779b97f4a7c15f39cc0605cedc835 18446744073709551615 until 1700003600000
        id daa66d2c7ddf7441dad6412116c9589f 1 until 1700003600000
        id dca706d72dcd0884c2d69037050e5d8e 0 until 1700003701000
        id e6189b0aafedbcc2e7f8d1166cc0e56d 0 until 1700003600000
        id f1bbcdcbfa53e0af9ce60302e76e41a8 1 until 1700003690000
        11 ids
        """#.split(separator: "\n")
}

extension CallRecord {
    /// With all kinds of tokens, and searches.
    static func ofWholeBill(_ labels: SeriesLabels) -> CallRecord {
        var record = CallRecord(
            labels: labels, status: "error", errorType: "e",
            usage: Usage(input: 100, output: 50, cacheRead: 10, cacheWrite: 20, reasoning: 3), cost: .zero)
        record.usage[.cacheWrite1h] = 15
        record.usage[.inputAudio] = 30
        record.usage[.inputImage] = 7
        record.usage[.outputAudio] = 5
        record.usage[.outputImage] = 4
        record.details = CallDetails(webSearches: 2)
        return record
    }

    /// Streamed, and of a status that its set did not have.
    static func ofStream(_ labels: SeriesLabels) -> CallRecord {
        var record = CallRecord(
            labels: labels, status: "cancelled", errorType: "closed", latencyMicroseconds: 86_400_000_000,
            trace: Trace(id: "f", unixMilliseconds: 1_700_000_090_000))
        record.timeToFirstTokenMicroseconds = 0
        return record
    }

    /// Paid for by a subscription.
    static func ofPlan(_ labels: SeriesLabels) -> CallRecord {
        var record = CallRecord(
            labels: labels, status: "error", errorType: "e", cost: Money(picoUSD: 1_250_000_000_001))
        record.isPlan = true
        return record
    }
}
