package import Model

/// The state on disk, in SQLite.
///
/// The rules:
/// - One transaction a batch, synced when `commit` returns (WAL, synchronous=FULL).
/// - Each row carries a checksum, and the head the sum of them all: what is read at a start is what was written, or the
///   start is refused.
/// - A commit that failed may be there or not: after a failing sync SQLite does not see it, but recovery would. The
///   connection closes, the WAL is written over itself and synced, which makes whatever it holds durable without needing
///   space, and a new recovery tells by the batch number in the head whether the commit is in.
/// - The files are the store's alone: one that is moved or replaced under it ends all commits until it is back.
package final class Store: Storage {
    private let folder: StorageFolder
    /// `nil` once closed.
    private var lock: FolderLock?
    private let note: BatchNote
    /// `nil` while a commit is undecided, and once closed.
    private var session: Session?
    /// As last committed.
    private var head: Head
    /// Of all rows that may change, by table and number: their sum follows each change, and a row that a batch leaves as
    /// it was need not be written.
    private var checksums: [String: [Int64: UInt64]]
    private var ids: IDLog
    /// What a failed commit tried to make of it; there as long as it is undecided.
    private var attempt: Change?

    /// Pages in the WAL from which on it is written back into the database: 4 MiB.
    private static let checkpointPages = 1000

    private init(
        folder: StorageFolder, lock: FolderLock, note: consuming BatchNote, session: Session,
        stored: StoredState
    ) {
        self.folder = folder
        self.lock = lock
        self.note = note
        self.session = session
        head = stored.head
        checksums = stored.checksums
        ids = stored.ids
    }

    package var isDurable: Bool { true }

    /// The number of the last batch.
    package var batch: Int64 { head.batch }

    // MARK: Opening

    /// Opens the database of a folder, or makes a new one where there is none, and reads the state.
    ///
    /// - Throws: `inUse`; `damaged`, and the files are as they were; `boundsChanged`; `failed` or `full`.
    package static func open(_ folder: StorageFolder, _ settings: StoreSettings, now: Instant) throws(StoreError)
        -> (store: Store, state: LedgerState)
    {
        try folder.create()
        guard let lock = try FolderLock.take(folder, creates: true) else {
            throw StoreError(.failed, "cannot create \(folder.lock)")
        }
        do throws(StoreError) {
            try prepare(folder, settings)
            // The last process may have died of a sync that failed: what it left in memory must be on the disk before
            // anything is built on it, and before a retry of it is answered as a duplicate.
            try Files.rewrite(folder.wal)
            var recentIDs = RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs)
            // None later than now, or before the one before it: what a clock that was wrong wrote has its whole time from
            // now on. It is not written back: that clock may be the right one.
            var latest = Instant(unixMilliseconds: 0)
            let stored = try folder.read { row in
                latest = min(max(latest, row.at), now)
                row.forEach { recentIDs.remember($0, now: latest) }
            }
            recentIDs.pruneAll(now: now)
            let state = LedgerState(
                registry: try stored.registry(settings), recentIDs: recentIDs, openCalls: stored.calls(now: now),
                budgets: stored.budgets(settings.budgets, now: now))
            let note = try BatchNote.open(folder)
            let store = Store(
                folder: folder, lock: lock, note: note, session: try Session(folder, batch: stored.head.batch),
                stored: stored)
            if stored.head.bounds != state.registry.bounds || stored.budgets != Array(state.budgets.elements) {
                switch store.replace(with: state) {
                case .committed: break
                case .refused(let error), .undecided(let error): throw error
                }
            }
            return (store, state)
        } catch {
            throw error.naming(folder.database)
        }
    }

    /// Sees that there is a database of this version, where there may be one.
    private static func prepare(_ folder: StorageFolder, _ settings: StoreSettings) throws(StoreError) {
        // Left by a start that was cut off.
        try Files.remove(folder.newDatabase)
        guard try Files.kind(of: folder.database) == .missing else {
            try folder.migrate()
            return
        }
        guard try Files.kind(of: folder.wal) == .missing else {
            throw StoreError(.damaged, "it is missing, but its WAL is there")
        }
        if let batch = BatchNote.read(folder) {
            throw StoreError(.damaged, "it is missing, but batch \(batch) was acknowledged (\(folder.note))")
        }
        try Files.create(folder.newDatabase)
        let new = try Connection(folder.newDatabase, .creating)
        try Schema.create(new, bounds: settings.bounds ?? .standard)
        new.close()
        try Files.publish(folder.newDatabase, as: folder.database, in: folder.path)
    }

    // MARK: Committing

    package func commit(_ revision: Revision) -> CommitOutcome {
        transact { (change, session) throws(StoreError) in
            for series in revision.agents { try put(series, session.agents, &change) }
            for series in revision.calls { try put(series, session.calls, &change) }
            for series in revision.endpoints { try put(series, session.endpoints, &change) }
            for series in revision.offerings { try put(series, session.offerings, &change) }
            for account in revision.budgets { try put(account, session.budgets, &change) }
            for call in revision.closed { try remove(call.number, session.openCalls, &change) }
            for call in revision.opened { try put(call, session.openCalls, &change) }
            change.head.memoryAvailableMegabytes = revision.memoryAvailableMegabytes
            change.head.digest &+= try change.ids.append(revision.ids, at: revision.now, to: session.ids)
            change.head.digest &-= try change.ids.prune(
                keeping: revision.rememberedIDs + revision.ids.count, in: session.ids)
        }
    }

    package func replace(with state: LedgerState) -> CommitOutcome {
        let registry = state.registry
        return transact { (change, session) throws(StoreError) in
            try replace(registry.agents.elements, session.agents, &change)
            try replace(registry.calls.elements, session.calls, &change)
            try replace(registry.endpoints.elements, session.endpoints, &change)
            try replace(registry.offerings.elements, session.offerings, &change)
            try replace(state.openCalls.all, session.openCalls, &change)
            try replace(state.budgets.elements, session.budgets, &change)
            change.head.memoryAvailableMegabytes = registry.memoryAvailableMegabytes
            change.head.bounds = registry.bounds
        }
    }

    package func probe() -> CommitOutcome {
        transact { (_, _) throws(StoreError) in }
    }

    private func transact(_ body: (inout Change, Session) throws(StoreError) -> Void) -> CommitOutcome {
        guard let session, attempt == nil else {
            return .refused(StoreError(.failed, "an earlier commit is not settled"))
        }
        var change = Change(head: head, ids: ids)
        do throws(StoreError) {
            try session.checkFiles(folder)
            try session.connection.execute("BEGIN IMMEDIATE")
            try body(&change, session)
            change.head.batch += 1
            try session.head.put(change.head)
            try session.connection.execute("COMMIT")
            // A commit to files that nobody will find again is none.
            try session.checkFiles(folder)
        } catch {
            attempt = change
            return settle(after: error)
        }
        adopt(change)
        return .committed
    }

    private func adopt(_ change: Change) {
        head = change.head
        ids = change.ids
        for row in change.checksums { checksums[row.table, default: [:]][row.number] = row.checksum }
        note.write(head.batch)
    }

    // MARK: Failing

    package func settle() -> CommitOutcome {
        settle(after: StoreError(.failed, "the commit did not reach the disk"))
    }

    private func settle(after error: StoreError) -> CommitOutcome {
        session?.connection.close()
        session = nil
        let stored: Head
        do throws(StoreError) {
            try Files.rewrite(folder.wal)
            stored = try folder.readHead()
            session = try Session(folder, batch: stored.batch)
        } catch let obstacle {
            return .undecided(
                StoreError(error.kind, "\(error.description); what became of it cannot be found out: \(obstacle)"))
        }
        let attempt = attempt
        self.attempt = nil
        if stored == head { return .refused(error) }
        if let attempt, stored == attempt.head {
            adopt(attempt)
            return .committed
        }
        session?.connection.close()
        session = nil
        self.attempt = attempt
        return .undecided(
            StoreError(
                .damaged, "\(folder.database) holds batch \(stored.batch), not batch \(head.batch): it was replaced"))
    }

    // MARK: Housekeeping

    package var isUntidy: Bool { (session?.connection.walPages ?? 0) >= Self.checkpointPages }

    package func tidy() throws(StoreError) {
        guard isUntidy else { return }
        try session?.connection.checkpoint()
    }

    package func close() {
        // An undecided commit stays for the next start to find.
        if let session {
            // Where it cannot be written back, the next start does it.
            try? session.connection.keepWALOnClose(false)
            session.connection.close()
        }
        session = nil
        lock = nil
    }
}

/// What the operator chose of what the store keeps.
package struct StoreSettings: Sendable {
    /// `nil` for those that are stored.
    package var bounds: HistogramBounds?
    /// Whether histograms begin anew where the bounds cannot be converted.
    package var resetsHistogramsOnChange: Bool
    package var maxSeries: Int
    package var idWindow: Duration
    package var maxIDs: Int
    /// `nil` for those that are stored.
    package var budgets: [Budget]?

    package init(
        bounds: HistogramBounds?, resetsHistogramsOnChange: Bool, maxSeries: Int, idWindow: Duration, maxIDs: Int,
        budgets: [Budget]?
    ) {
        self.bounds = bounds
        self.resetsHistogramsOnChange = resetsHistogramsOnChange
        self.maxSeries = maxSeries
        self.idWindow = idWindow
        self.maxIDs = maxIDs
        self.budgets = budgets
    }
}

/// A connection that writes, with what it has prepared, and the files that it found.
private final class Session {
    let connection: Connection
    let head: TableWriter<Head>
    let agents: TableWriter<AgentSeries>
    let calls: TableWriter<CallSeries>
    let endpoints: TableWriter<EndpointSeries>
    let offerings: TableWriter<OfferingSeries>
    let openCalls: TableWriter<OpenCall>
    let budgets: TableWriter<BudgetAccount>
    let ids: IDTable
    private let identities: [Files.Identity?]

    /// - Parameter batch: the last one, as it was read before.
    init(_ folder: StorageFolder, batch: Int64) throws(StoreError) {
        try folder.checkHeader()
        connection = try Connection(folder.database, .writing)
        guard try connection.value("PRAGMA journal_mode=WAL") == .text("wal") else {
            throw StoreError(.failed, "cannot use write-ahead logging in this folder")
        }
        head = try TableWriter(connection)
        agents = try TableWriter(connection)
        calls = try TableWriter(connection)
        endpoints = try TableWriter(connection)
        offerings = try TableWriter(connection)
        openCalls = try TableWriter(connection)
        budgets = try TableWriter(connection)
        ids = try IDTable(connection)
        // Reading opens the WAL, so that it is there to be identified.
        guard try connection.value("SELECT batch FROM head") == .integer(batch) else {
            throw StoreError(.failed, "another program has changed it since it was read")
        }
        // SQLite goes on where the folder cannot be synced: a cut of power would then take the whole WAL.
        try Files.sync(folder: folder.path)
        identities = try Self.identities(folder)
    }

    private static func identities(_ folder: StorageFolder) throws(StoreError) -> [Files.Identity?] {
        [try Files.identity(of: folder.database), try Files.identity(of: folder.wal)]
    }

    /// - Throws: `failed` where the database or its WAL is no longer the file that was opened.
    func checkFiles(_ folder: StorageFolder) throws(StoreError) {
        guard try Self.identities(folder) == identities else {
            throw StoreError(
                .failed,
                "\(folder.database) or its WAL was moved, removed or replaced while the exporter ran; put it back")
        }
    }
}

/// What a transaction makes of what the store knows of its rows.
private struct Change {
    var head: Head
    var ids: IDLog
    /// Of rows that were written, and `nil` of those that were removed.
    var checksums: [(table: String, number: Int64, checksum: UInt64?)] = []
}

extension Store {
    /// Writes a row, unless it is there as it is.
    private func put<Content: Row>(_ row: Content, _ writer: TableWriter<Content>, _ change: inout Change)
        throws(StoreError)
    {
        let values = row.values
        let checksum = Content.checksum(number: row.number, values: values)
        let known = checksums[Content.table]?[row.number]
        guard checksum != known else { return }
        try writer.put(number: row.number, values: values, checksum: checksum)
        change.head.digest &+= checksum &- (known ?? 0)
        change.checksums.append((Content.table, row.number, checksum))
    }

    private func remove<Content: Row>(_ number: Int64, _ writer: TableWriter<Content>, _ change: inout Change)
        throws(StoreError)
    {
        guard let known = checksums[Content.table]?[number] else { return }
        try writer.remove(number: number)
        change.head.digest &-= known
        change.checksums.append((Content.table, number, nil))
    }

    /// Makes `rows` the rows of a table.
    private func replace<Content: Row>(
        _ rows: some Sequence<Content>, _ writer: TableWriter<Content>, _ change: inout Change
    ) throws(StoreError) {
        let numbers = Set(rows.map(\.number))
        for number in checksums[Content.table, default: [:]].keys where !numbers.contains(number) {
            try remove(number, writer, &change)
        }
        for row in rows { try put(row, writer, &change) }
    }
}
