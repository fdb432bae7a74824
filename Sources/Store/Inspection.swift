private import Glibc
internal import Model

/// Reads a database that an exporter may be using. Makes no file in its folder, and changes none.
package struct Inspection {
    private let folder: StorageFolder
    private let connection: Connection
    /// Held if no exporter holds it, so that none starts meanwhile.
    private let lock: FolderLock?

    /// The findings of a check.
    package struct Report: Sendable {
        package let batch: Int64
        package let series: Int
        package let calls: Int64
        package let ids: Int
        package let openCalls: Int
    }

    /// - Throws: if there is no database, or it cannot be opened.
    package init(_ folder: StorageFolder) throws(StoreError) {
        guard try Files.identity(of: folder.database) != nil else {
            throw StoreError(.failed, "there is no \(folder.database); name the folder with --storage.path")
        }
        self.folder = folder
        do throws(StoreError) {
            (connection, lock) = try Self.open(folder)
        } catch {
            throw error.naming(folder.database)
        }
    }

    /// Opens it alone, or beside an exporter; waits for one that is about to start or to stop.
    private static func open(_ folder: StorageFolder) throws(StoreError) -> (Connection, FolderLock?) {
        let deadline = ContinuousClock.now + .seconds(2)
        while true {
            var obstacle = StoreError(
                .failed, "another program holds the folder and is about to start or to stop; try again")
            do throws(StoreError) {
                let lock = try FolderLock.take(folder, creates: false, patience: .zero)
                return (try folder.openAlone(), lock)
            } catch {
                guard error.kind == .inUse else { throw error }
            }
            do throws(StoreError) {
                if let connection = try folder.openBeside() { return (connection, nil) }
            } catch {
                // The exporter's files may go between two reads of the folder.
                obstacle = error
            }
            guard ContinuousClock.now < deadline else { throw obstacle }
            usleep(50_000)
        }
    }

    /// Reads every row, and compares it with its checksum, with the others, and with the last acknowledged batch.
    ///
    /// - Throws: `damaged`, with what is wrong.
    package func check() throws(StoreError) -> Report {
        do throws(StoreError) {
            // Before the database: beside an exporter both go on.
            let acknowledged = BatchNote.read(folder)
            let stored = try StoredState(connection) { _ in }
            if let acknowledged { try folder.compare(acknowledged, with: stored.head) }
            return Report(stored)
        } catch {
            throw error.naming(folder.database)
        }
    }

    /// Copies the database, as of one commit, to a new file, and checks the copy.
    ///
    /// - Throws: if the file exists, or cannot be written; nothing is left of it then.
    package func copy(to file: String) throws(StoreError) -> Report {
        guard try Files.kind(of: file) == .missing else {
            throw StoreError(.failed, "\(file) exists already; name a file that does not")
        }
        let unfinished = try Files.unusedName(beside: file)
        let acknowledged = BatchNote.read(folder)
        do throws(StoreError) {
            try Files.create(unfinished)
        } catch {
            throw StoreError(error.kind, "cannot copy \(folder.database) to \(file): \(error.description)")
        }
        do throws(StoreError) {
            let target = try Connection(unfinished, .creating)
            defer { target.close() }
            try connection.copy(into: target)
            target.close()
            let copy = try Connection(unfinished, .readingClosed)
            defer { copy.close() }
            let stored = try StoredState(copy) { _ in }
            if let acknowledged { try folder.compare(acknowledged, with: stored.head) }
            try Files.publish(unfinished, as: file, in: Files.folder(of: file))
            return Report(stored)
        } catch {
            try Files.remove(unfinished)
            // Damage in the copy is damage in the database.
            if error.kind == .damaged { throw error.naming(folder.database) }
            throw StoreError(error.kind, "cannot copy \(folder.database) to \(file): \(error.description)")
        }
    }
}

extension Inspection.Report {
    fileprivate init(_ stored: StoredState) {
        batch = stored.head.batch
        series = stored.calls.count
        calls = stored.calls.reduce(0) { $0 + $1.totals.calls.total }
        ids = stored.ids.count
        openCalls = stored.openCalls.count
    }
}
