package import Model

/// The state on disk, in SQLite.
///
/// The rules:
/// - One transaction a batch, synced when `commit` returns (WAL, synchronous=FULL).
/// - Each row carries a checksum, and the head the sum of them all: a start reads what was written, or refuses.
/// - A commit that failed is taken back before anyone is answered: after a failing sync SQLite does not see it, but a
///   recovery would. Within SQLite's write lock the WAL is cut at the end of the last commit that is in, and synced.
///   That needs no space, and neither the connection nor any reader notices. A failure before the commit's last frame
///   is written needs none of it.
/// - A start finds what was committed: each transaction checks that no other program wrote to the files, and the WAL is
///   read back before it is written into the database. If they no longer hold it all, all commits fail.
/// - The files are the store's alone. The process that holds the lock file in the folder may write, and each
///   transaction checks that this is still the store's own: if the lock or the database is moved, removed or replaced,
///   all commits fail until it is back. If the WAL is missing, what the store has open is written into the database,
///   and a new WAL begun.
package final class Store: Storage {
    private let folder: StorageFolder
    /// `nil` once closed.
    private var lock: FolderLock?
    private let note: BatchNote
    /// `nil` once closed, and until the next commit if the last files had to be given up.
    private var session: Session?
    /// As last committed.
    private var head: Head
    /// Checksums of all rows that may change, by table and number: the head's sum follows each change, and a row that a
    /// batch leaves as it was need not be written.
    private(set) var checksums: [String: [Int64: UInt64]]
    private var ids: IDLog
    private var undecided: Undecided?

    /// A commit that failed, or that went to files that are not in their place, and why.
    private enum Undecided {
        case failed(StoreError)
        case misplaced(Change, StoreError)

        var error: StoreError {
            switch self {
            case .failed(let error), .misplaced(_, let error): error
            }
        }
    }

    /// Pages in the WAL at which it is written back into the database: 4 MiB.
    private static let checkpointPages = 1000
    /// Pages that a reader may keep in the WAL before that is reported: 64 MiB.
    private static let pagesKeptLimit = 16_384

    init(
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

    // MARK: Committing

    package func commit(_ batch: Batch) -> CommitOutcome {
        transact { (change, session) throws(StoreError) in
            for series in batch.agents.elements { try put(series, session.agents, &change) }
            for series in batch.calls.elements { try put(series, session.calls, &change) }
            for series in batch.endpoints.elements { try put(series, session.endpoints, &change) }
            for series in batch.offerings.elements { try put(series, session.offerings, &change) }
            for account in batch.accounts.elements { try put(account, session.budgets, &change) }
            for call in batch.closed.elements { try remove(call.number, session.openCalls, &change) }
            for call in batch.opened { try put(call.stored(at: batch.moment), session.openCalls, &change) }
            change.head.memoryAvailableMegabytes = batch.memoryAvailableMegabytes
            change.head.digest &+= try change.ids.append(
                batch.ids.elements, at: batch.moment.timeOfDay, to: session.ids)
            change.head.digest &-= try change.ids.prune(
                keeping: batch.rememberedIDs + batch.ids.count, in: session.ids)
        }
    }

    package func replace(with state: LedgerState, at moment: Moment) -> CommitOutcome {
        let registry = state.registry
        return transact { (change, session) throws(StoreError) in
            try replace(registry.agents.elements, session.agents, &change)
            try replace(registry.calls.elements, session.calls, &change)
            try replace(registry.endpoints.elements, session.endpoints, &change)
            try replace(registry.offerings.elements, session.offerings, &change)
            try replace(state.openCalls.all.map { $0.stored(at: moment) }, session.openCalls, &change)
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
            try session.database.checkContent(folder, head)
        } catch {
            self.session?.database.connection.rollBack()
            return .refused(error)
        }
        do throws(StoreError) {
            try body(&change, session)
            change.head.batch += 1
            try session.head.put(change.head)
        } catch {
            // The frame that makes it a commit is written by COMMIT alone. Others may be in the WAL.
            session.database.connection.rollBack()
            session.database.noteWAL(folder)
            return .refused(error)
        }
        do throws(StoreError) {
            try session.database.connection.execute("COMMIT")
        } catch {
            undecided = .failed(error)
            return settle()
        }
        do throws(StoreError) {
            // A commit to files that were moved away does not count.
            try session.database.checkFiles(folder, lock)
        } catch {
            undecided = .misplaced(change, error)
            return settle()
        }
        session.database.noteWAL(folder)
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
                    "\(undecided.error.description); the outcome of this commit cannot be settled: \(obstacle)"))
        }
    }

    /// Removes a commit that failed from the WAL.
    private func takeBack() throws(StoreError) {
        session?.database.connection.rollBack()
        try restoreFiles()
        // Otherwise it went with a WAL that is gone.
        guard let session else { return }
        try session.database.writing(folder, lock) { () throws(StoreError) in try session.database.cutWAL(folder) }
    }

    /// The session that is open, or a new one.
    private func openSession() throws(StoreError) -> Session {
        try restoreFiles()
        if let session { return session }
        let new = try Session(OpenDatabase(folder))
        guard try new.database.batch() == head.batch else {
            throw StoreError(
                .failed, "\(folder.database) was changed by another program; stop it, and start this one again")
        }
        session = new
        return new
    }

    /// Checks that the open files are those in the folder.
    ///
    /// If only the WAL or its index was replaced, all that is committed is written into the database, as no other
    /// process has it, and the session ends. That fails if a reader is in the way, or a foreign WAL, which would be
    /// read over it.
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
            guard try session.database.mayBeginNewWAL(folder) else {
                throw StoreError(
                    error.kind,
                    "\(error.description), or remove \(folder.wal): the database holds all that is committed")
            }
            session.database.connection.close()
            self.session = nil
        }
    }

    /// Takes the lock file in the folder, if the one that is held was removed or replaced and no process holds the new
    /// one: an operator who took the lock for a stale one and removed it should not stop the exporter.
    private func retakeLock(_ session: Session) throws(StoreError) {
        guard let lock, !lock.isInPlace(folder), session.database.isInPlace(folder),
            let new = try FolderLock.take(folder, creates: true, patience: .zero)
        else { return }
        guard try session.database.batch() == head.batch else {
            throw StoreError(
                .failed, "\(folder.database) was changed by another program; stop it, and start this one again")
        }
        self.lock = new
    }

    // MARK: Housekeeping

    package var isUntidy: Bool { (session?.database.connection.walPages ?? 0) >= Self.checkpointPages }

    package func tidy() throws(StoreError) {
        guard isUntidy, let session else { return }
        let kept = try session.database.checkpoint(folder)
        guard kept < Self.pagesKeptLimit else {
            throw StoreError(
                .failed,
                "\(folder.wal) holds \(kept) pages that a program which reads the database keeps there; "
                    + "end its transaction")
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
            // It stays for the next start to settle.
            if let undecided { return undecided.error }
            return settleWAL()
        } catch {
            return error
        }
    }

    /// Lets the WAL be written back at the end. If that cannot be done, the next start does it.
    ///
    /// - Returns: why it must stay as it is.
    private func settleWAL() -> StoreError? {
        guard let session else { return nil }
        do throws(StoreError) {
            try session.database.writing(folder, lock) { () throws(StoreError) in
                try session.database.checkContent(folder, head)
            }
            if try session.database.readBack(folder) { try session.database.connection.keepWALOnClose(false) }
            return nil
        } catch {
            return error.kind == .damaged ? error : nil
        }
    }
}
