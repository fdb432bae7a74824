package import Model

/// The state on disk, in SQLite.
///
/// The rules:
/// - One transaction a batch, synced when `commit` returns (WAL, synchronous=FULL).
/// - Each row carries a checksum, and the head the sum of them all: what is read at a start is what was written, or the
///   start is refused.
/// - A commit that failed is taken back before anybody is answered: after a failing sync SQLite does not see it, but a
///   recovery would. Within SQLite's write lock the WAL is cut at the end of the last commit that is in, and synced. That
///   needs no space, and neither the connection nor any reader notices. What fails before the commit's last frame is
///   written needs none of it.
/// - The files are the store's alone. Whoever holds the lock that lies in the folder may write, and the store looks within
///   each transaction whether that is still its own: a lock, or a database, that is moved, removed or replaced under it
///   ends all commits until it is back. A WAL that is missing is not: what the store has open is written into the
///   database, and a new one begun.
package final class Store: Storage {
    private let folder: StorageFolder
    /// `nil` once closed.
    private var lock: FolderLock?
    private let note: BatchNote
    /// `nil` until the next commit where the last files had to be given up, and once closed.
    private var session: Session?
    /// As last committed.
    private var head: Head
    /// Of all rows that may change, by table and number: their sum follows each change, and a row that a batch leaves as
    /// it was need not be written.
    private var checksums: [String: [Int64: UInt64]]
    private var ids: IDLog
    private var undecided: Undecided?

    /// A commit that failed, or that is in files which are not in their place, and why.
    private enum Undecided {
        case failed(StoreError)
        case misplaced(Change, StoreError)

        var error: StoreError {
            switch self {
            case .failed(let error), .misplaced(_, let error): error
            }
        }
    }

    /// Pages in the WAL from which on it is written back into the database: 4 MiB.
    private static let checkpointPages = 1000
    /// Pages that a reader may keep in the WAL before it is told of: 64 MiB.
    private static let pagesKeptLimit = 16_384

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
            var recentIDs = RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs)
            func read(_ body: ((IDRow) -> Void) throws(StoreError) -> StoredState) throws(StoreError) -> StoredState {
                // None later than now, or before the one before it: what a clock that was wrong wrote has its whole time
                // from now on. It is not written back: that clock may be the right one.
                var latest = Instant(unixMilliseconds: 0)
                recentIDs = RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs)
                return try body { row in
                    latest = min(max(latest, row.at), now)
                    row.forEach { recentIDs.remember($0, now: latest) }
                }
            }
            var stored = try read { each throws(StoreError) in try folder.read(eachIDRow: each) }
            // Before anything is written.
            try stored.checkBounds(settings)
            let database = try OpenDatabase(folder)
            // The last process may have died of a sync that failed: what it left in memory must be on the disk before
            // anything is built on it, and before a retry of it is answered as a duplicate.
            try database.writing(folder, lock) { () throws(StoreError) in try database.rewriteWAL(folder) }
            if try database.batch() != stored.head.batch {
                // Such a commit, which a reader that was there before keeps hidden. Nobody was told that it is in.
                stored = try read { each throws(StoreError) in
                    try StoredState(database.connection, eachIDRow: each)
                }
                if let acknowledged = BatchNote.read(folder) { try folder.compare(acknowledged, with: stored.head) }
                try stored.checkBounds(settings)
            }
            if stored.version < Schema.version { try database.migrate(folder, lock, from: stored.version) }
            recentIDs.pruneAll(now: now)
            let state = LedgerState(
                registry: stored.registry(settings), recentIDs: recentIDs, openCalls: stored.calls(now: now),
                budgets: stored.budgets(settings.budgets, now: now))
            let note = try BatchNote.open(folder)
            let store = Store(
                folder: folder, lock: lock, note: note, session: try Session(database), stored: stored)
            if stored.head.bounds != state.registry.bounds || stored.budgets != Array(state.budgets.elements) {
                switch store.replace(with: state, skew: .zero) {
                case .committed: break
                case .refused(let error), .undecided(let error): throw error
                }
            }
            return (store, state)
        } catch {
            throw error.naming(folder.database)
        }
    }

    /// Sees that there is a database, where there may be one.
    private static func prepare(_ folder: StorageFolder, _ settings: StoreSettings) throws(StoreError) {
        // Left by a start that was cut off.
        try Files.remove(folder.newDatabase)
        guard try Files.kind(of: folder.database) == .missing else { return }
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
            for call in revision.opened { try put(call.begunLater(revision.skew), session.openCalls, &change) }
            change.head.memoryAvailableMegabytes = revision.memoryAvailableMegabytes
            change.head.digest &+= try change.ids.append(
                revision.ids, at: revision.now.adding(revision.skew), to: session.ids)
            change.head.digest &-= try change.ids.prune(
                keeping: revision.rememberedIDs + revision.ids.count, in: session.ids)
        }
    }

    package func replace(with state: LedgerState, skew: Duration) -> CommitOutcome {
        let registry = state.registry
        return transact { (change, session) throws(StoreError) in
            try replace(registry.agents.elements, session.agents, &change)
            try replace(registry.calls.elements, session.calls, &change)
            try replace(registry.endpoints.elements, session.endpoints, &change)
            try replace(registry.offerings.elements, session.offerings, &change)
            try replace(state.openCalls.all.map { $0.begunLater(skew) }, session.openCalls, &change)
            try replace(state.budgets.elements, session.budgets, &change)
            change.head.memoryAvailableMegabytes = registry.memoryAvailableMegabytes
            change.head.bounds = registry.bounds
        }
    }

    package func probe() -> CommitOutcome {
        transact { (_, _) throws(StoreError) in }
    }

    private func transact(_ body: (inout Change, Session) throws(StoreError) -> Void) -> CommitOutcome {
        guard undecided == nil else {
            return .refused(StoreError(.failed, "an earlier commit is not settled"))
        }
        var change = Change(head: head, ids: ids)
        let session: Session
        do throws(StoreError) {
            session = try openSession()
            try session.database.begin(folder, lock)
            try body(&change, session)
            change.head.batch += 1
            try session.head.put(change.head)
        } catch {
            // The frame that makes it a commit is written by COMMIT alone.
            self.session?.database.connection.rollBack()
            return .refused(error)
        }
        do throws(StoreError) {
            try session.database.connection.execute("COMMIT")
        } catch {
            undecided = .failed(error)
            return settle()
        }
        do throws(StoreError) {
            // A commit to files that nobody will find again is none.
            try session.database.checkFiles(folder, lock)
        } catch {
            undecided = .misplaced(change, error)
            return settle()
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
        guard let undecided else { return .refused(StoreError(.failed, "no commit is undecided")) }
        do throws(StoreError) {
            switch undecided {
            case .failed(let error):
                try takeBack()
                self.undecided = nil
                return .refused(error)
            case .misplaced(let change, _):
                try restoreFiles()
                self.undecided = nil
                adopt(change)
                return .committed
            }
        } catch let obstacle {
            return .undecided(
                StoreError(
                    undecided.error.kind,
                    "\(undecided.error.description); what became of it cannot be settled: \(obstacle)"))
        }
    }

    /// Removes a commit that failed from the WAL.
    private func takeBack() throws(StoreError) {
        session?.database.connection.rollBack()
        try restoreFiles()
        // Else it went with a WAL that is gone.
        guard let session else { return }
        try session.database.writing(folder, lock) { () throws(StoreError) in try session.database.cutWAL(folder) }
    }

    /// The session that is open, or a new one where there is none.
    private func openSession() throws(StoreError) -> Session {
        try restoreFiles()
        if let session { return session }
        let new = try Session(OpenDatabase(folder))
        guard try new.database.batch() == head.batch else {
            throw StoreError(
                .failed, "\(folder.database) was changed by another program; stop it, and start this one anew")
        }
        session = new
        return new
    }

    /// Sees that what is open is what lies in the folder.
    ///
    /// Where it is the database, but not the WAL or its index, all that is committed is written into the database, as nobody
    /// else has it, and the session ends. It stays where a reader is in the way, or another WAL, which would be read over
    /// it.
    private func restoreFiles() throws(StoreError) {
        guard let session else {
            guard let lock else { throw StoreError(.failed, "it is closed") }
            return try lock.check(folder)
        }
        try retakeLock(session)
        guard let lock else { throw StoreError(.failed, "it is closed") }
        do throws(StoreError) {
            try session.database.checkFiles(folder, lock)
        } catch {
            try lock.check(folder)
            guard session.database.isInPlace(folder) else { throw error }
            guard try session.database.connection.checkpoint() == 0 else {
                throw StoreError(error.kind, "\(error.description) (a program that reads it must end first)")
            }
            guard try session.database.mayBeginAnew(folder) else {
                throw StoreError(
                    error.kind,
                    "\(error.description), or remove \(folder.wal): the database holds all that is committed")
            }
            session.database.connection.close()
            self.session = nil
        }
    }

    /// Takes the lock that lies in the folder, where the one that is held was removed or replaced and nobody has that one: who
    /// took a lock for a stale one and removed it should not stop the exporter.
    private func retakeLock(_ session: Session) throws(StoreError) {
        guard let lock, !lock.isInPlace(folder), session.database.isInPlace(folder),
            let new = try FolderLock.take(folder, creates: true, patience: .zero)
        else { return }
        guard try session.database.batch() == head.batch else {
            throw StoreError(
                .failed, "\(folder.database) was changed by another program; stop it, and start this one anew")
        }
        self.lock = new
    }

    // MARK: Housekeeping

    package var isUntidy: Bool { (session?.database.connection.walPages ?? 0) >= Self.checkpointPages }

    package func tidy() throws(StoreError) {
        guard isUntidy, let session else { return }
        let kept = try session.database.connection.checkpoint()
        guard kept < Self.pagesKeptLimit else {
            throw StoreError(
                .failed,
                "\(folder.wal) holds \(kept) pages that a program which reads the database keeps there; end its transaction"
            )
        }
    }

    @discardableResult
    package func close() -> StoreError? {
        guard lock != nil else { return nil }
        defer {
            session?.database.connection.close()
            session = nil
            lock = nil
        }
        do throws(StoreError) {
            try restoreFiles()
            // It stays for the next start to find.
            if let undecided { return undecided.error }
            // Where it cannot be written back, the next start does it.
            try session?.database.connection.keepWALOnClose(false)
            return nil
        } catch {
            return error
        }
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

/// A database that is written, and what its transactions have prepared.
private struct Session {
    let database: OpenDatabase
    let head: TableWriter<Head>
    let agents: TableWriter<AgentSeries>
    let calls: TableWriter<CallSeries>
    let endpoints: TableWriter<EndpointSeries>
    let offerings: TableWriter<OfferingSeries>
    let openCalls: TableWriter<OpenCall>
    let budgets: TableWriter<BudgetAccount>
    let ids: IDTable

    init(_ database: OpenDatabase) throws(StoreError) {
        self.database = database
        head = try TableWriter(database.connection)
        agents = try TableWriter(database.connection)
        calls = try TableWriter(database.connection)
        endpoints = try TableWriter(database.connection)
        offerings = try TableWriter(database.connection)
        openCalls = try TableWriter(database.connection)
        budgets = try TableWriter(database.connection)
        ids = try IDTable(database.connection)
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
