package import Model

extension Store {
    /// Opens the database of a folder, or makes a new one if it is missing, and reads the state.
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
            return try open(folder, lock, settings, now: now)
        } catch {
            throw error.naming(folder.database)
        }
    }

    private static func open(
        _ folder: StorageFolder, _ lock: FolderLock, _ settings: StoreSettings, now: Instant
    ) throws(StoreError) -> (store: Store, state: LedgerState) {
        try prepare(folder, settings)
        var ids = StoredIDs(settings, now: now)
        var stored = try folder.read { ids.add($0) }
        // Before anything is written.
        try stored.checkBounds(settings)
        let database = try OpenDatabase(folder)
        // The last process may have died of a sync that failed: what it left in memory must be on the disk before
        // anything is built on it, and before a retry of it is answered as a duplicate.
        try database.writing(folder, lock) { () throws(StoreError) in try database.rewriteWAL(folder) }
        if try database.batch() != stored.head.batch {
            // The process left a commit that a reader keeps hidden. No client has an answer for it.
            ids = StoredIDs(settings, now: now)
            stored = try StoredState(database.connection) { ids.add($0) }
            if let acknowledged = BatchNote.read(folder) { try folder.compare(acknowledged, with: stored.head) }
            try stored.checkBounds(settings)
        }
        if stored.version < Schema.version { try database.migrate(folder, lock, from: stored.version) }
        let state = LedgerState(
            registry: stored.registry(settings, now: now), recentIDs: ids.recent(), openCalls: stored.calls(now: now),
            budgets: stored.budgets(settings.budgets, now: now))
        let note = try BatchNote.open(folder)
        let store = Store(folder: folder, lock: lock, note: note, session: try Session(database), stored: stored)
        if stored.head.bounds != state.registry.bounds || stored.budgets != Array(state.budgets.elements) {
            switch store.replace(with: state, at: Moment(now)) {
            case .committed: break
            case .refused(let error), .undecided(let error): throw error
            }
        }
        return (store, state)
    }

    /// Makes the database, unless it is there, or should be.
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
}

/// The stored ids, as a start remembers them.
private struct StoredIDs {
    private var ids: RecentIDs
    private var latest = Instant(unixMilliseconds: 0)
    private let now: Instant

    init(_ settings: StoreSettings, now: Instant) {
        ids = RecentIDs(window: settings.idWindow, maxIDs: settings.maxIDs)
        self.now = now
    }

    /// No id is later than now, or before the one before it: ids that a wrong clock wrote keep their whole time from
    /// now on. That is not written back, as the clock may have been the right one.
    mutating func add(_ row: IDRow) {
        latest = min(max(latest, row.at), now)
        row.forEach { ids.remember($0, now: latest) }
    }

    /// Those whose time is not over.
    mutating func recent() -> RecentIDs {
        ids.pruneAll(now: now)
        return ids
    }
}
