internal import Model

extension AgentSeries: Row {
    static var table: String { "agents" }

    static var schema: [Int64: String] { [1: creation, 5: "ALTER TABLE agents ADD COLUMN first_start_ms INTEGER"] }

    private static var creation: String {
        """
        CREATE TABLE agents (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, agent_name TEXT NOT NULL, memory_rss_mb REAL,
            reports_active_calls INTEGER NOT NULL, expired_calls INTEGER NOT NULL
        ) STRICT
        """
    }

    static var columns: [String] {
        ["agent_name", "memory_rss_mb", "reports_active_calls", "expired_calls", "first_start_ms"]
    }

    /// Without its sets and its calls in flight, which the other tables hold.
    var values: [Value] {
        [
            .text(name.text), Value(memoryRSSMegabytes), .integer(reportsActiveCalls ? 1 : 0), .integer(expiredCalls),
            Value(firstStart?.unixMilliseconds),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        self.init(
            number: number, name: LabelValue(try reader.text()), memoryRSSMegabytes: try reader.optionalReal(),
            reportsActiveCalls: try reader.integer() != 0, expiredCalls: try reader.natural(),
            firstStart: try reader.optionalInstant())
    }
}
