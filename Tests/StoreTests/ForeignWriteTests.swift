import Glibc
import Model
import Testing

@testable import Store

@Suite("Files that another program writes in their place") struct ForeignWriteTests {
    private func filled(_ folder: StorageFolder) throws -> History {
        var history = try History(folder)
        for number in 0..<5 { try history.take([.ended("A", number)]) }
        return history
    }

    /// The files that a start reads.
    private func durable(_ folder: StorageFolder) throws -> [String: [UInt8]] {
        try folder.contents().filter { !$0.key.hasSuffix("-shm") }
    }

    private func overwrite(_ path: String, at place: Int, with bytes: [UInt8]) throws {
        // Safe: the path is passed with its final zero, and as many bytes are written as there are.
        let descriptor = unsafe open(path, O_WRONLY)
        defer { close(descriptor) }
        let count = unsafe bytes.withUnsafeBytes { unsafe pwrite(descriptor, $0.baseAddress, $0.count, place) }
        try #require(count == bytes.count)
    }

    private func cut(_ path: String, at end: Int) throws {
        // Safe: the path is passed with its final zero.
        try #require(unsafe truncate(path, end) == 0)
    }

    @Test("refuse every commit if they have less than was committed, and a stop leaves them so", arguments: 0..<3)
    func damaged(way: Int) throws {
        try withFolder { folder in
            var history = try filled(folder)
            switch way {
            case 0: try cut(folder.wal, at: 0)
            case 1: try overwrite(folder.wal, at: 32 + 24 + 100, with: [0xA5, 0x5A])
            default: try cut(folder.database, at: 4096)
            }
            let before = try durable(folder)
            for number in 5..<8 {
                let error = #expect(throws: StoreError.self) { try history.take([.ended("A", number)]) }
                #expect(error?.kind == .damaged)
                #expect(error?.description.contains("was changed by another program") == true)
            }
            #expect(history.store.batch == 5)
            #expect(history.store.close()?.kind == .damaged)
            #expect(try durable(folder) == before)
            #expect(throws: StoreError.self) { try folder.opened() }
        }
    }

    @Test("are used again once their content is back")
    func mended() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let wal = try #require(try folder.contents()["llm-exporter.db-wal"])
            try cut(folder.wal, at: 500)
            #expect(throws: StoreError.self) { try history.take([.ended("A", 5)]) }
            try overwrite(folder.wal, at: 0, with: wal)
            try history.take([.ended("A", 5)])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("are used on if they have all that was committed", arguments: 0..<3)
    func harmless(way: Int) throws {
        try withFolder { folder in
            var history = try filled(folder)
            switch way {
            case 0: try overwrite(folder.wal, at: Int(Files.size(of: folder.wal)), with: Array(repeating: 7, count: 90))
            case 1: try overwrite(folder.shm, at: 0, with: Array(repeating: 0, count: 32_768))
            default: try folder.tamper("PRAGMA wal_checkpoint(TRUNCATE)")
            }
            for number in 5..<8 { try history.take([.ended("A", number)]) }
            #expect(try history.account(of: folder.crashed(into: folder.beside("crashed"))) == history.account)
            #expect(history.store.close() == nil)
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("are not read again if only a reader came")
    func readers() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let stamps = [Files.stamp(of: folder.database), Files.stamp(of: folder.wal)]
            _ = try Inspection(folder).check()
            #expect([Files.stamp(of: folder.database), Files.stamp(of: folder.wal)] == stamps)
            try history.take([.ended("A", 5)])
            history.close()
        }
    }

    @Test("show a write in the same instant as the last one")
    func sameInstant() throws {
        try withFolder { folder in
            let history = try filled(folder)
            for _ in 0..<100 {
                let stamp = try #require(Files.mark(folder.wal))
                try overwrite(folder.wal, at: 200, with: [1])
                #expect(Files.stamp(of: folder.wal) != stamp)
            }
            history.close()
        }
    }
}
