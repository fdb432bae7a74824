import FoundationEssentials
import Glibc
import Model
import Testing

@testable import Store

@Suite("The folder of a store") struct FolderTests {
    @Test("is held by one store at a time, and the error of a second names the holder")
    func locked() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take([.ended("A", 1)])
            let before = try folder.contents()
            let error = #expect(throws: StoreError.self) { try folder.opened() }
            #expect(error?.kind == .inUse)
            #expect(error?.description.contains("process \(getpid())") == true)
            #expect(error?.description.contains(folder.path) == true)
            #expect(error?.description.contains("--storage.path") == true)
            #expect(throws: StoreError.self) { try Store.reset(folder, now: dawn) }
            #expect(throws: StoreError.self) { try Store.forget(SeriesSelection(agentName: "A"), in: folder) }
            #expect(try folder.contents() == before)
            // The first has noticed nothing.
            try history.take([.ended("A", 2)])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("goes on if an operator took its lock for a stale one and removed it")
    func lockIsRemoved() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take([.ended("A", 1)])
            try FileManager.default.removeItem(atPath: folder.lock)
            try history.take([.ended("A", 2)])
            // It has taken the new one.
            let error = #expect(throws: StoreError.self) { try folder.opened() }
            #expect(error?.kind == .inUse)
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("is written by one store at a time, even if its lock was removed and another store came")
    func lockIsReplaced() throws {
        try withFolder { folder in
            var first = try History(folder)
            try first.take([.ended("A", 1)])
            try FileManager.default.removeItem(atPath: folder.lock)
            var second = try History(folder)
            #expect(second.state.registry.calls.count == 1)
            #expect(throws: StoreError.self) { try first.take([.ended("A", 2)]) }
            try second.take([.ended("A", 3)])
            second.close()
            // The second is gone, but what it has written is unknown to the first.
            let error = #expect(throws: StoreError.self) { try first.take([.ended("A", 4)]) }
            #expect(error?.description.contains("changed by another program") == true)
            first.close()
            #expect(try second.account(of: folder) == second.account)
        }
    }

    @Test("is free again after a start that was refused")
    func refusedStartHoldsNothing() throws {
        try withFolder { folder in
            try folder.fill(["llm-exporter.db": []])
            #expect(throws: StoreError.self) { try folder.opened() }
            try folder.fill([:])
            #expect(try folder.opened().registry.calls.count == 0)
        }
    }

    @Test("is made if it is missing, for its owner alone")
    func made() throws {
        try withFolder { folder in
            let inner = StorageFolder(folder.path + "/several//levels/down/")
            #expect(try inner.opened().registry.calls.count == 0)
            for path in [folder.path, inner.path, inner.database, inner.note, inner.lock] {
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode.map { $0 & 0o077 } == 0, "\(path)")
            }
        }
    }

    @Test("cannot be a file")
    func isAFile() throws {
        try withFolder { folder in
            try Data("precious".utf8).write(to: URL(filePath: folder.path))
            let error = #expect(throws: StoreError.self) { try folder.opened() }
            #expect(error?.kind == .failed)
            #expect(error?.description.contains(folder.path) == true)
            #expect(try Data(contentsOf: URL(filePath: folder.path)) == Data("precious".utf8))
        }
    }

    @Test("may hold what a start that was cut off has left")
    func halfMade() throws {
        try withFolder { folder in
            try folder.fill(["llm-exporter.db.new": [1, 2, 3], "lock": Array("12".utf8)])
            let state = try folder.opened()
            #expect(state.registry.calls.count == 0)
            #expect(try folder.names() == ["llm-exporter.batch", "llm-exporter.db", "lock"])
        }
    }

    @Test(
        "keeps what only its WAL held, if that or its index was removed, and goes on", arguments: ["-wal", "-shm"])
    func walIsRemoved(suffix: String) throws {
        try withFolder { folder in
            var history = try History(folder)
            for number in 0..<20 { try history.take([.ended("A", number)]) }
            try FileManager.default.removeItem(atPath: folder.database + suffix)
            for number in 20..<40 { try history.take([.ended("A", number)]) }
            #expect(try history.account(of: folder.crashed(into: folder.beside("crashed"))) == history.account)
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("takes no commit after the database was moved or replaced, until it is back")
    func replaced() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take([.ended("A", 1)])
            let before = history.account
            let file = folder.database
            let bytes = try Data(contentsOf: URL(filePath: file))
            try FileManager.default.moveItem(atPath: file, toPath: file + ".away")
            #expect(throws: StoreError.self) { try history.take([.ended("A", 2)]) }
            try bytes.write(to: URL(filePath: file))
            #expect(throws: StoreError.self) { try history.take([.ended("A", 3)]) }
            try FileManager.default.removeItem(atPath: file)
            try FileManager.default.moveItem(atPath: file + ".away", toPath: file)
            _ = history.store.settle()
            #expect(history.account == before)
            try history.take([.ended("A", 4)])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }
}

extension FolderTests {
    @Test("with another WAL in the place of its own takes no commit until that is gone, and loses none")
    func walIsReplaced() throws {
        try withFolder { folder in
            var history = try History(folder)
            try history.take([.ended("A", 1)])
            let older = try Data(contentsOf: URL(filePath: folder.wal))
            try history.take([.ended("A", 2)])
            try FileManager.default.removeItem(atPath: folder.wal)
            try older.write(to: URL(filePath: folder.wal))
            let error = #expect(throws: StoreError.self) { try history.take([.ended("A", 3)]) }
            #expect(error?.description.contains("remove \(folder.wal)") == true)
            // Also if it ends now.
            let left = try folder.crashed(into: folder.beside("left"))
            try FileManager.default.removeItem(atPath: left.wal)
            #expect(try history.account(of: left) == history.account)
            try FileManager.default.removeItem(atPath: folder.wal)
            try history.take([.ended("A", 4)])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }
}
