import Model
import Testing

@testable import Store

@Suite("A damaged database") struct DamageTests {
    /// Rows in every table, each column with a value.
    private func filled(_ folder: StorageFolder, budgets: [Budget]? = nil) throws -> History {
        var history = try History(folder, .example(budgets: budgets))
        func labelsOfSet(_ number: Int) -> SeriesLabels {
            SeriesLabels(LabelValue("agent \(number % 2)"), "p", LabelValue("m\(number % 3)"))
        }
        for number in 0..<6 {
            let labels = labelsOfSet(number)
            let agentName = labels.agentName
            // Some series of the set before begin later than the set.
            history.pass(.seconds(1))
            let streamed = number == 0 ? [] : [Event.end(.ofStream(labelsOfSet(number - 1)))]
            try history.take(
                streamed + [
                    .started(agentName, 100 + number), .end(.ofWholeBill(labels)), .end(.ofPlan(labels)),
                    .end(CallRecord(labels: labels, status: "error", errorType: "e")),
                    .end(
                        CallRecord(
                            labels: labels,
                            status: "error", errorType: "e",
                            usage: Usage(input: 10, output: 5, cacheRead: 1, cacheWrite: 2, reasoning: 3),
                            cost: number == 5 ? nil : Money(picoUSD: 1_500_000_000_000), latencyMicroseconds: 7,
                            apiLatencyMicroseconds: 8, memoryRSSMegabytes: 0.5, memoryAvailableMegabytes: 0.25,
                            id: .example(number), trace: Trace(id: "ab", unixMilliseconds: dawn.unixMilliseconds))),
                ])
        }
        return history
    }

    /// Expects a start and a check to refuse the folder, and every byte of it to be as it was.
    private func expectRefusal(
        _ folder: StorageFolder, _ kind: StoreError.Kind = .damaged, saying words: String = "",
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let before = try folder.contents()
        let refusals = [
            #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try folder.opened() },
            #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try Store.reset(folder, now: dawn) },
            #expect(throws: StoreError.self, sourceLocation: sourceLocation) { try Inspection(folder).check() },
        ]
        for error in refusals {
            #expect(error?.kind == kind, sourceLocation: sourceLocation)
            #expect(error?.description.contains(folder.path) == true, sourceLocation: sourceLocation)
            if before["llm-exporter.db"] != nil {
                #expect(error?.description.contains(words) == true, "\(words)", sourceLocation: sourceLocation)
            }
        }
        #expect(try folder.contents() == before, sourceLocation: sourceLocation)
    }

    // MARK: Rows

    struct Column: Sendable, CustomTestStringConvertible {
        let table: String
        let name: String
        var testDescription: String { "\(table).\(name)" }

        static func all<Content: Row>(_ content: Content.Type) -> [Column] {
            (["number", "checksum"] + content.columns).map { Column(table: content.table, name: $0) }
        }
    }

    private static let columns =
        Column.all(Head.self) + Column.all(CallSeries.self) + Column.all(EndpointSeries.self)
        + Column.all(OfferingSeries.self) + Column.all(AgentSeries.self) + Column.all(OpenCall.self)
        + Column.all(IDRow.self)

    @Test("is refused, whichever value of whichever table has changed", arguments: columns)
    func changedValue(column: Column) throws {
        try withFolder { folder in
            try filled(folder).close()
            let name = column.name
            try folder.tamper(
                """
                UPDATE \(column.table) SET \(name) = CASE typeof(\(name))
                WHEN 'text' THEN \(name) || '0' WHEN 'blob' THEN CAST(\(name) || x'00' AS BLOB) ELSE \(name) + 1000 END
                WHERE number = (SELECT max(number) FROM \(column.table) WHERE \(name) IS NOT NULL)
                """)
            try expectRefusal(folder, saying: "table \(column.table), row")
        }
    }

    @Test("is refused, whichever value has gone", arguments: columns)
    func missingValue(column: Column) throws {
        try withFolder { folder in
            try filled(folder).close()
            let connection = try Connection(folder.database, .writing)
            // SQLite itself refuses an absent value in these columns.
            let isRequired = try connection.value(
                "SELECT \"notnull\" OR pk FROM pragma_table_info('\(column.table)') WHERE name = '\(column.name)'")
            connection.close()
            guard isRequired == .integer(0) else { return }
            try folder.tamper("UPDATE \(column.table) SET \(column.name) = NULL")
            try expectRefusal(folder, saying: "table \(column.table), row 1: ")
        }
    }

    @Test("is refused if a row is missing, or there twice", arguments: Set(columns.map(\.table)).sorted())
    func missingRow(table: String) throws {
        try withFolder { folder in
            try filled(folder).close()
            let sound = try folder.contents()
            try folder.tamper("DELETE FROM \(table) WHERE number = (SELECT min(number) FROM \(table))")
            try expectRefusal(folder, saying: table == "head" ? "no head" : "rows are missing")
            try folder.fill(sound)
            try folder.tamper("DELETE FROM \(table)")
            try expectRefusal(folder, saying: table == "head" ? "no head" : "rows are missing")
            try folder.fill(sound)
            try folder.tamper(
                """
                CREATE TEMP TABLE twice AS SELECT * FROM \(table) ORDER BY number LIMIT 1;
                UPDATE twice SET number = 1000; INSERT INTO \(table) SELECT * FROM twice
                """)
            try expectRefusal(folder, saying: "table \(table), row 1000")
        }
    }

    @Test(
        "is refused if a row is an older one",
        arguments: ["call_series", "endpoint_series", "offering_series", "budgets"])
    func olderRow(table: String) throws {
        try withFolder { folder in
            var history = try History(folder, .example(budgets: History.budgets))
            try history.take(CallRecord(labels: SeriesLabels("A"), apiLatencyMicroseconds: 1))
            _ = try Inspection(folder).copy(to: folder.beside("older").path)
            try history.take(CallRecord(labels: SeriesLabels("A"), apiLatencyMicroseconds: 1))
            history.close()
            try folder.tamper(
                """
                ATTACH '\(folder.beside("older").path.replacing("'", with: "''"))' AS older;
                INSERT OR REPLACE INTO main.\(table) SELECT * FROM older.\(table)
                """)
            try expectRefusal(folder, saying: "rows are missing, or are older")
        }
    }

    /// Rewrites a row so that checksum and digest hold, as a defect of the program would.
    private func forge<Content: Row>(
        _ content: Content.Type, _ folder: StorageFolder, number: Int64? = nil, _ change: (inout [Value]) -> Void
    ) throws {
        let connection = try Connection(folder.database, .writing)
        defer { connection.close() }
        var head = try StoredState.head(connection)
        var rows: [(values: [Value], checksum: UInt64)] = []
        var reader = TableReader<Content>(connection)
        try reader.forEach { row, checksum in rows.append((row.values, checksum)) }
        guard var row = rows.first else { throw StoreError(.failed, "nothing to forge") }
        change(&row.values)
        let checksum = Content.checksum(number: number ?? 1, values: row.values)
        try TableWriter<Content>(connection).put(number: number ?? 1, values: row.values, checksum: checksum)
        head.digest &+= checksum &- (number == nil ? row.checksum : 0)
        try TableWriter<Head>(connection).put(head)
    }

    /// The place of a column among the values.
    private func place<Content: Row>(_ column: String, _: Content.Type) throws -> Int {
        try #require(Content.columns.firstIndex(of: column))
    }

    @Test("is refused if the numbers of a set do not fit each other")
    func contradictions() throws {
        let cases: [(column: String, value: Value, words: String)] = [
            ("latency_count", .integer(3), "not the sum of its buckets"),
            ("latency_buckets", .text("1,0,0,0,0,0,1,0"), "other buckets than the database"),
            ("latency_buckets", .text("9,0,0,0,0,0,0"), "not the sum of its buckets"),
            ("latency_buckets", .text("-2,0,0,0,0,0,4"), "not a histogram"),
            ("latency_buckets", .text("9223372036854775807,1,0,0,0,0,0"), "not a histogram"),
            ("latency_exemplars", .text("7 ab 1 1"), "not an exemplar"),
            ("latency_sum_us", .integer(-1), "below 0"),
            ("latency_native", .bytes([1, 1]), "the classic and the native buckets"),
            ("latency_native", .bytes([1, 0x80]), "not native buckets"),
            ("latency_native", .bytes([1, 0]), "not native buckets"),
            ("latency_native", .bytes([1, 1, 0, 1]), "not native buckets"),
            ("latency_native", .bytes([1, 1, 0xA4, 2, 1]), "not native buckets"),
            ("latency_native", .bytes([UInt8](repeating: 0xFF, count: 9)), "not native buckets"),
            ("ttft_native", .bytes([0, 2]), "the classic and the native buckets"),
            ("ttft_count", .integer(2), "not the sum of its buckets"),
            ("created_later", .text("cost"), "not times"),
            ("created_later", .text("kind/input 1"), "not times"),
            ("created_later", .text("cost 1,cost 2"), "not times"),
            ("calls", .text("error 3"), "differ"),
            ("calls", .text("error 1,error 1"), "twice"),
            ("calls", .text("error"), "not a tally"),
            ("errors", .text("e 2"), "differ"),
            ("usage_missing", .integer(2), "more calls without usage"),
            ("unpriced_calls", .integer(9), "more unpriced calls"),
            ("tokens", .integer(-1), "below 0"),
            ("cost_usd", .integer(.max), "not an amount of money"),
            ("agent_name", .text("nobody"), "an agent has series and no row"),
        ]
        for (column, value, words) in cases {
            try withFolder { folder in
                try filled(folder).close()
                let place = try place(column, CallSeries.self)
                try forge(CallSeries.self, folder) { $0[place] = value }
                try expectRefusal(folder, saying: words)
            }
        }
    }

    @Test("is refused where two rows have the same labels")
    func sameLabels() throws {
        func twice<Content: Row>(_ content: Content.Type) throws {
            try withFolder { folder in
                try filled(folder).close()
                try forge(content, folder, number: 1000) { _ in }
                try expectRefusal(folder, saying: "same labels")
            }
        }
        try twice(CallSeries.self)
        try twice(EndpointSeries.self)
        try twice(OfferingSeries.self)
        try twice(AgentSeries.self)
        try twice(OpenCall.self)
    }

    // MARK: Files

    @Test("is refused if a batch that was acknowledged is not in it")
    func lostBatches() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let earlier = try folder.crashed(into: folder.beside("earlier")).contents()
            try history.take([.ended("A", 50)])
            let later = try folder.crashed(into: folder.beside("later")).contents()
            history.close()
            let closed = try folder.contents()

            /// The database of one moment with the WAL and the note of others.
            func mixed(_ database: [String: [UInt8]], _ wal: [String: [UInt8]], _ note: [String: [UInt8]])
                -> [String: [UInt8]]
            {
                [
                    "llm-exporter.db": database["llm-exporter.db"], "llm-exporter.db-wal": wal["llm-exporter.db-wal"],
                    "llm-exporter.batch": note["llm-exporter.batch"],
                ].compactMapValues(\.self)
            }
            for lost in [
                mixed(earlier, earlier, later), mixed(later, closed, later), mixed(earlier, closed, closed),
                // The older WAL takes the newer database back.
                mixed(closed, earlier, closed),
            ] {
                try folder.fill(lost)
                try expectRefusal(folder, saying: "batch 7 was acknowledged")
            }
            // A note that is older, or cannot be read, says nothing.
            for sound in [
                mixed(later, later, earlier), mixed(later, later, [:]),
                mixed(later, later, ["llm-exporter.batch": Array("00".utf8)]),
            ] {
                try folder.fill(sound)
                #expect(try history.account(of: folder) == history.account)
            }
        }
    }

    @Test(
        "that has gone is not made again beside what is left of it",
        arguments: ["llm-exporter.db-wal", "llm-exporter.batch"])
    func missingDatabase(left: String) throws {
        try withFolder { folder in
            let history = try filled(folder)
            let contents = try folder.crashed(into: folder.beside("crashed")).contents()
            history.close()
            try folder.fill([left: contents[left] ?? []])
            for _ in 0..<2 {
                let error = #expect(throws: StoreError.self) { try folder.opened() }
                #expect(error?.kind == .damaged)
                #expect(error?.description.contains("it is missing") == true)
            }
            #expect(try folder.contents() == [left: contents[left] ?? []])
        }
    }

    @Test(
        "is refused if it is not ours",
        arguments: [
            [], Array("not a database at all, but long enough to be taken for one".utf8),
            Array(repeating: 0, count: 8192),
        ] as [[UInt8]])
    func foreignFile(bytes: [UInt8]) throws {
        try withFolder { folder in
            try folder.fill(["llm-exporter.db": bytes])
            try expectRefusal(folder)
        }
    }

    @Test("is refused where another program made it, or a later version")
    func foreignDatabase() throws {
        try withFolder { folder in
            try folder.fill([:])
            let foreign = try Connection(folder.database, .creating)
            try foreign.execute("CREATE TABLE head (number INTEGER PRIMARY KEY); PRAGMA user_version=1")
            foreign.close()
            try expectRefusal(folder, saying: "no database of llm-exporter")
        }
        try withFolder { folder in
            try filled(folder).close()
            try folder.tamper("PRAGMA user_version=\(Schema.version + 1)")
            try expectRefusal(
                folder, .failed, saying: "a later version of llm-exporter wrote it (schema \(Schema.version + 1)")
        }
        try withFolder { folder in
            try filled(folder).close()
            try folder.tamper("PRAGMA user_version=0")
            try expectRefusal(folder, saying: "no database of llm-exporter")
        }
        // A flipped bit, which would have the steps to the present version run again.
        for version in 1..<Schema.version {
            try withFolder { folder in
                try filled(folder).close()
                try folder.tamper("PRAGMA user_version=\(version)")
                try expectRefusal(folder, saying: "is of a later version than \(version)")
            }
        }
    }

    /// The bytes that are changed: a few at random in each page, all of the file's header.
    private func places(_ count: Int, _ random: inout Seeded) -> [Int] {
        let pages = stride(from: 0, to: count, by: 4096).flatMap { page in
            (0..<6).map { _ in page + Int.random(in: 0..<4096, using: &random) }
                + (0..<4).map { _ in page + Int.random(in: 0..<200, using: &random) }
        }
        return (Array(0..<100) + pages).filter { $0 < count }
    }

    /// The fault in how a damaged folder is met; `nil` if it is refused, as it is, or read as it was written.
    private func complaint(
        _ folder: StorageFolder, _ damaged: [String: [UInt8]], _ history: History,
        refusals: Set<StoreError.Kind> = [.damaged], counting refused: inout Int
    ) throws -> String? {
        try folder.fill(damaged)
        do {
            return try history.account(of: folder) == history.account ? nil : "silently wrong"
        } catch let error as StoreError {
            refused += 1
            if !refusals.contains(error.kind) { return "\(error.kind): \(error)" }
            return try folder.contents() == damaged ? nil : "changed by a start that was refused: \(error)"
        }
    }

    @Test("is found, whichever byte was changed, or does no harm", arguments: [true, false], 0..<2 as Range<UInt64>)
    func flippedBytes(afterACrash: Bool, seed: UInt64) throws {
        try withFolder { folder in
            var random = Seeded(seed)
            var history = try filled(folder, budgets: History.budgets)
            try history.restart()
            try history.take([.ended("agent 1", 60), .started("agent 0", 61)])
            let crashed = try folder.crashed(into: folder.beside("crashed")).contents()
            history.close()
            let sound = afterACrash ? crashed : try folder.contents()
            var refused = 0
            var complaints: [String] = []
            for (name, bytes) in sound.sorted(by: { $0.key < $1.key }) {
                for place in places(bytes.count, &random) {
                    var damaged = sound
                    damaged[name]?[place] ^= UInt8.random(in: 1...255, using: &random)
                    // There the file says which version wrote it.
                    let mayBeLater = name == "llm-exporter.db" && (60..<64).contains(place)
                    if let complaint = try complaint(
                        folder, damaged, history, refusals: mayBeLater ? [.damaged, .failed] : [.damaged],
                        counting: &refused)
                    {
                        complaints.append("\(name), byte \(place): \(complaint)")
                    }
                }
            }
            #expect(complaints == [])
            // Much of the file is room for more.
            #expect(refused > 40)
        }
    }

    @Test("is found, wherever the files end, or does no harm", arguments: [true, false])
    func truncated(afterACrash: Bool) throws {
        try withFolder { folder in
            var random = Seeded(9)
            let history = try filled(folder, budgets: History.budgets)
            let crashed = try folder.crashed(into: folder.beside("crashed")).contents()
            history.close()
            let sound = afterACrash ? crashed : try folder.contents()
            var refused = 0
            var complaints: [String] = []
            for (name, bytes) in sound.sorted(by: { $0.key < $1.key }) {
                let lengths =
                    [0, 1, 100, 4095, 4096, bytes.count - 1]
                    + (0..<40).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
                for length in lengths where length < bytes.count {
                    var damaged = sound
                    damaged[name] = Array(bytes.prefix(length))
                    if let complaint = try complaint(folder, damaged, history, counting: &refused) {
                        complaints.append("\(name), \(length) bytes: \(complaint)")
                    }
                }
            }
            #expect(complaints == [])
            #expect(refused > 40)
        }
    }
}
