internal import Model

/// All that a database holds, read in one go and checked.
struct StoredState {
    /// The version of the schema.
    let version: Int64
    private(set) var head: Head
    private(set) var calls: [CallSeries] = []
    private(set) var endpoints: [EndpointSeries] = []
    private(set) var offerings: [OfferingSeries] = []
    private(set) var agents: [AgentSeries] = []
    private(set) var openCalls: [OpenCall] = []
    private(set) var budgets: [BudgetAccount] = []
    /// By table and number.
    private(set) var checksums: [String: [Int64: UInt64]] = [:]
    private(set) var ids = IDLog()

    /// Reads one state, even beside a writer.
    ///
    /// - Parameter eachIDRow: called with the ids in the order of their arrival.
    /// - Throws: `damaged` if anything is not as it was written.
    init(_ connection: Connection, eachIDRow: (IDRow) -> Void) throws(StoreError) {
        try connection.execute("BEGIN")
        do throws(StoreError) {
            try self.init(inTransaction: connection, eachIDRow: eachIDRow)
        } catch {
            // Nothing was written; an error here would hide the one that counts.
            try? connection.execute("ROLLBACK")
            throw error
        }
        try connection.execute("COMMIT")
    }

    private init(inTransaction connection: Connection, eachIDRow: (IDRow) -> Void) throws(StoreError) {
        version = try Self.version(of: connection)
        guard try connection.value("PRAGMA quick_check(1)") == .text("ok") else {
            throw StoreError(.damaged, "SQLite's quick_check finds it inconsistent")
        }
        try Schema.checkColumns(connection, at: version)
        head = try Self.head(connection)
        var digest: UInt64 = 0
        calls = try rows(connection, &digest)
        endpoints = try rows(connection, &digest)
        offerings = try rows(connection, &digest)
        agents = try rows(connection, &digest)
        openCalls = try rows(connection, &digest)
        if Schema.has(BudgetAccount.self, at: version) { budgets = try rows(connection, &digest) }
        var reader = TableReader<IDRow>(connection)
        try reader.forEach { row, _ in
            ids.add(row)
            eachIDRow(row)
        }
        digest &+= reader.digest
        guard digest == head.digest else {
            throw StoreError(.damaged, "rows are missing, or are older than the last batch")
        }
        try checkInvariants()
        deriveNativeBuckets()
    }

    /// Gives native buckets to the histograms of version 0.1.0. Their rows have them from the next write on.
    private mutating func deriveNativeBuckets() {
        let bounds = head.bounds
        for index in calls.indices where calls[index].totals.latency?.native.isEmpty == true {
            calls[index] = calls[index].converting { $0.withNative(from: bounds) } ?? calls[index]
        }
        for index in endpoints.indices where endpoints[index].latency.native.isEmpty {
            endpoints[index] = endpoints[index].converting { $0.withNative(from: bounds) } ?? endpoints[index]
        }
    }

    /// - Throws: `damaged` if it is no database of this program, `failed` if a later version wrote it.
    private static func version(of connection: Connection) throws(StoreError) -> Int64 {
        guard try connection.value("PRAGMA application_id") == .integer(Schema.applicationID),
            case .integer(let version) = try connection.value("PRAGMA user_version"), version > 0
        else { throw StoreError(.damaged, "it is no database of llm-exporter") }
        guard version <= Schema.version else {
            throw StoreError(
                .failed,
                "a later version of llm-exporter wrote it "
                    + "(schema \(version), this one knows \(Schema.version)): run that one")
        }
        return version
    }

    static func head(_ connection: Connection) throws(StoreError) -> Head {
        var heads: [Head] = []
        var reader = TableReader<Head>(connection)
        try reader.forEach { head, _ in heads.append(head) }
        guard let head = heads.first, heads.count == 1 else { throw StoreError(.damaged, "it has no head") }
        return head
    }

    private mutating func rows<Content: Row>(_ connection: Connection, _ digest: inout UInt64) throws(StoreError)
        -> [Content]
    {
        var rows: [Content] = []
        var checksums: [Int64: UInt64] = [:]
        var reader = TableReader<Content>(connection)
        try reader.forEach { row, checksum in
            rows.append(row)
            checksums[row.number] = checksum
        }
        digest &+= reader.digest
        self.checksums[Content.table] = checksums
        return rows
    }

    /// Checks what holds between rows that are each as they were written.
    private func checkInvariants() throws(StoreError) {
        let buckets = head.bounds.microseconds.count + 1
        let histograms =
            calls.compactMap(\.totals.latency) + calls.compactMap(\.totals.timeToFirstToken) + endpoints.map(\.latency)
        guard histograms.allSatisfy({ $0.counts.count == buckets }) else {
            throw StoreError(.damaged, "a histogram has other buckets than the database")
        }
        guard Set(calls.map(\.labels)).count == calls.count, Set(endpoints.map(\.labels)).count == endpoints.count,
            Set(offerings.map(\.labels)).count == offerings.count, Set(agents.map(\.name)).count == agents.count,
            Set(openCalls.map(\.id)).count == openCalls.count,
            Set(budgets.map(\.key)).count == budgets.count
        else { throw StoreError(.damaged, "two rows have the same labels") }
        let names = Set(agents.map(\.name))
        guard calls.allSatisfy({ names.contains($0.labels.agentName) }),
            openCalls.allSatisfy({ names.contains($0.agentName) })
        else { throw StoreError(.damaged, "an agent has series and no row") }
    }
}

extension StoredState {
    /// - Throws: `boundsChanged` if the histograms cannot be converted to the bounds of the settings, and may not begin
    ///   again at 0.
    func checkBounds(_ settings: StoreSettings) throws(StoreError) {
        let new = settings.bounds ?? head.bounds
        let hasHistograms =
            !endpoints.isEmpty
            || calls.contains { $0.totals.latency != nil || $0.totals.timeToFirstToken != nil }
        guard hasHistograms, !settings.resetsHistogramsOnChange,
            !Set(new.microseconds).isSubset(of: head.bounds.microseconds)
        else {
            return
        }
        throw StoreError(
            .boundsChanged,
            "--histogram.buckets has bounds that the stored histograms do not have "
                + "(\(head.bounds.labels.dropLast().joined(separator: ","))): use those or fewer of them, "
                + "or reset the latency histograms with --histogram.reset-on-change"
        )
    }

    /// The series, with the bounds of the settings, which `checkBounds` has passed; histograms that cannot be converted
    /// begin again at 0.
    ///
    /// - Parameter now: the time of day.
    func registry(_ settings: StoreSettings, now: Instant) -> Registry {
        let old = head.bounds
        let new = settings.bounds ?? old
        var calls = calls
        var endpoints = endpoints
        if old != new {
            calls = calls.map { series in
                series.converting { $0.rebucketed(from: old, to: new) } ?? series.restartingHistograms(new, at: now)
            }
            endpoints = endpoints.map { series in
                series.converting { $0.rebucketed(from: old, to: new) } ?? series.restartingHistograms(new, at: now)
            }
        }
        return Registry(
            bounds: new, maxSeries: settings.maxSeries, calls: calls, endpoints: endpoints, offerings: offerings,
            agents: agents, activeCalls: openCalls.reduce(into: [:]) { $0[$1.agentName, default: 0] += 1 },
            memoryAvailableMegabytes: head.memoryAvailableMegabytes)
    }

    /// The accounts of these budgets; new ones begin at `now`.
    ///
    /// - Parameter budgets: `nil` for the stored ones, as they are.
    func budgets(_ budgets: [Budget]?, now: Instant) -> Table<BudgetAccount> {
        var table = Table<BudgetAccount>()
        for account in self.budgets { table.put(account) }
        return budgets.map { table.configured(for: $0, now: now) } ?? table
    }

    /// The calls in flight. No call began after `now`, or before the one before it: a clock that was wrong must not
    /// prolong a lease.
    func calls(now: Instant) -> OpenCalls {
        var calls = OpenCalls()
        var latest = Instant(unixMilliseconds: 0)
        for call in openCalls {
            latest = min(max(latest, call.begun), now)
            calls.open(
                OpenCall(
                    number: call.number, id: call.id, agentName: call.agentName, sender: call.sender, begun: latest))
        }
        return calls
    }
}
