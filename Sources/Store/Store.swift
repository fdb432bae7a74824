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
            let session = try Session(folder)
            // The last process may have died of a sync that failed: what it left in memory must be on the disk before
            // anything is built on it, and before a retry of it is answered as a duplicate.
            try session.writing(folder, lock) { () throws(StoreError) in try session.rewriteWAL(folder) }
            if try session.batch() != stored.head.batch {
                // Such a commit, which a reader that was there before keeps hidden. Nobody was told that it is in.
                stored = try read { each throws(StoreError) in
                    try StoredState(session.connection, eachIDRow: each)
                }
                if let acknowledged = BatchNote.read(folder) { try folder.compare(acknowledged, with: stored.head) }
            }
            recentIDs.pruneAll(now: now)
            let state = LedgerState(
                registry: stored.registry(settings), recentIDs: recentIDs, openCalls: stored.calls(now: now),
                budgets: stored.budgets(settings.budgets, now: now))
            let note = try BatchNote.open(folder)
            let store = Store(
                folder: folder, lock: lock, note: note, session: session, stored: stored)
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
            try session.begin(folder, lock)
            try body(&change, session)
            change.head.batch += 1
            try session.head.put(change.head)
        } catch {
            // The frame that makes it a commit is written by COMMIT alone.
            self.session?.connection.rollBack()
            return .refused(error)
        }
        do throws(StoreError) {
            try session.connection.execute("COMMIT")
        } catch {
            undecided = .failed(error)
            return settle()
        }
        do throws(StoreError) {
            // A commit to files that nobody will find again is none.
            try session.checkFiles(folder, lock)
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
        session?.connection.rollBack()
        try restoreFiles()
        // Else it went with a WAL that is gone.
        guard let session else { return }
        try session.writing(folder, lock) { () throws(StoreError) in try session.cutWAL(folder) }
    }

    /// The session that is open, or a new one where there is none.
    private func openSession() throws(StoreError) -> Session {
        try restoreFiles()
        if let session { return session }
        let new = try Session(folder)
        guard try new.batch() == head.batch else {
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
            try session.checkFiles(folder, lock)
        } catch {
            try lock.check(folder)
            guard session.isDatabaseInPlace(folder) else { throw error }
            guard try session.connection.checkpoint() == 0 else {
                throw StoreError(error.kind, "\(error.description) (a program that reads it must end first)")
            }
            guard try session.mayBeginAnew(folder) else {
                throw StoreError(
                    error.kind,
                    "\(error.description), or remove \(folder.wal): the database holds all that is committed")
            }
            session.connection.close()
            self.session = nil
        }
    }

    /// Takes the lock that lies in the folder, where the one that is held was removed or replaced and nobody has that one: who
    /// took a lock for a stale one and removed it should not stop the exporter.
    private func retakeLock(_ session: Session) throws(StoreError) {
        guard let lock, !lock.isInPlace(folder), session.isDatabaseInPlace(folder),
            let new = try FolderLock.take(folder, creates: true, patience: .zero)
        else { return }
        guard try session.batch() == head.batch else {
            throw StoreError(
                .failed, "\(folder.database) was changed by another program; stop it, and start this one anew")
        }
        self.lock = new
    }

    // MARK: Housekeeping

    package var isUntidy: Bool { (session?.connection.walPages ?? 0) >= Self.checkpointPages }

    package func tidy() throws(StoreError) {
        guard isUntidy, let session else { return }
        let kept = try session.connection.checkpoint()
        guard kept < Self.pagesKeptLimit else {
            throw StoreError(
                .failed,
                "\(folder.wal) holds \(kept) pages that a program which reads the database keeps there; end its transaction"
            )
        }
    }

    @discardableResult
    package func close() -> Bool {
        guard lock != nil else { return true }
        // An undecided commit stays for the next start to find.
        var isDone = undecided == nil
        do throws(StoreError) {
            try restoreFiles()
            // Where it cannot be written back, the next start does it.
            if isDone { try session?.connection.keepWALOnClose(false) }
        } catch {
            isDone = false
        }
        session?.connection.close()
        session = nil
        lock = nil
        return isDone
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

/// A connection that writes, with what it has prepared, and the files that it has open.
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
    private let database: Files.Identity
    private let wal: Files.Identity
    /// Of the WAL's index.
    private let shm: Files.Identity

    init(_ folder: StorageFolder) throws(StoreError) {
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
        _ = try connection.value("SELECT batch FROM head")
        // SQLite goes on where the folder cannot be synced: a cut of power would then take the whole WAL.
        try Files.sync(folder: folder.path)
        guard let database = try Files.identity(of: folder.database), let wal = try Files.identity(of: folder.wal),
            let shm = try Files.identity(of: folder.shm), Files.size(of: folder.wal) >= (try connection.walEnd())
        else {
            throw StoreError(
                .failed, "its WAL was removed or replaced while another program has it open; end that program")
        }
        self.database = database
        self.wal = wal
        self.shm = shm
    }

    func batch() throws(StoreError) -> Int64? {
        guard case .integer(let batch) = try connection.value("SELECT batch FROM head") else { return nil }
        return batch
    }

    /// Begins to write.
    ///
    /// - Throws: where another writes, or the folder may be another's. Looked for only then: who takes the folder waits for
    ///   the transaction, and who comes to it later finds that it was taken.
    func begin(_ folder: StorageFolder, _ lock: FolderLock?) throws(StoreError) {
        try connection.execute("BEGIN IMMEDIATE")
        try checkFiles(folder, lock)
    }

    /// Does something to the files while nobody writes them.
    func writing(_ folder: StorageFolder, _ lock: FolderLock?, _ body: () throws(StoreError) -> Void)
        throws(StoreError)
    {
        defer { connection.rollBack() }
        try begin(folder, lock)
        try body()
    }

    func rewriteWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.rewrite(folder.wal, wal)
    }

    /// Removes what lies in the WAL and is no commit.
    func cutWAL(_ folder: StorageFolder) throws(StoreError) {
        try Files.cut(folder.wal, wal, at: connection.walEnd())
    }

    /// - Throws: `failed` where a file is no longer the one that was opened.
    func checkFiles(_ folder: StorageFolder, _ lock: FolderLock?) throws(StoreError) {
        guard let lock else { throw StoreError(.failed, "it is closed") }
        try lock.check(folder)
        for (path, identity) in [(folder.database, database), (folder.wal, wal), (folder.shm, shm)]
        where try Files.identity(of: path) != identity {
            throw StoreError(
                .failed,
                "\(path) was moved, removed or replaced while the exporter ran; put the one back that was there")
        }
    }

    func isDatabaseInPlace(_ folder: StorageFolder) -> Bool {
        (try? Files.identity(of: folder.database)) == database
    }

    /// Whether no WAL lies there that another has left, and that would be read over the database.
    func mayBeginAnew(_ folder: StorageFolder) throws(StoreError) -> Bool {
        switch try Files.kind(of: folder.wal) {
        case .missing: true
        case .file(let identity, let bytes): identity == wal || bytes == 0
        case .folder, .other: false
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
