internal import Model

extension OpenCall {
    /// The call as it is stored: begun by the time of day.
    func stored(at moment: Moment) -> OpenCall {
        OpenCall(
            number: number, id: id, agentName: agentName, sender: sender, begun: moment.timeOfDay(at: begun))
    }
}

extension OpenCall: Row {
    static var table: String { "open_calls" }

    static var schema: [Int64: String] { [1: creation, 3: "ALTER TABLE open_calls ADD COLUMN sender TEXT"] }

    private static var creation: String {
        """
        CREATE TABLE open_calls (
            number INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, call_digest BLOB NOT NULL, agent_name TEXT NOT NULL,
            begun_ms INTEGER NOT NULL
        ) STRICT
        """
    }

    static var columns: [String] { ["call_digest", "agent_name", "begun_ms", "sender"] }

    var values: [Value] {
        [
            .bytes(id.stored), .text(agentName.text), .integer(begun.unixMilliseconds),
            sender == .unknown ? .null : .text(sender.text.text),
        ]
    }

    init(number: Int64, values: [Value]) throws(StoreError) {
        var reader = ValueReader(values)
        guard let id = Digest(stored: try reader.bytes()[...]) else { throw StoreError(.damaged, "not a digest") }
        let agentName = LabelValue(try reader.text())
        let begun = Instant(unixMilliseconds: try reader.integer())
        let sender = try reader.optionalText().map { Sender($0) } ?? .unknown
        self.init(number: number, id: id, agentName: agentName, sender: sender, begun: begun)
    }
}

extension Digest {
    /// 16 bytes, the most significant first.
    fileprivate var stored: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: bits >> UInt128(120 - 8 * $0)) }
    }

    fileprivate init?(stored bytes: ArraySlice<UInt8>) {
        guard bytes.count == 16 else { return nil }
        self.init(bits: bytes.reduce(0) { $0 << 8 | UInt128($1) })
    }
}
