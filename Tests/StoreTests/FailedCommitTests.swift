import Model
import Testing

@testable import Store

@Suite("A commit that fails") struct FailedCommitTests {
    private static let batch: [Event] = [
        .started("B", 11), .ended("A", 10),
        .end(
            CallRecord(
                labels: SeriesLabels("C"), apiLatencyMicroseconds: 1, memoryAvailableMegabytes: 7, id: .example(12))),
    ]

    private func filled(_ folder: StorageFolder) throws -> History {
        var history = try History(folder)
        try history.take([.started("A", 10), .ended("A", 1), .end(CallRecord(labels: SeriesLabels("B")))])
        return history
    }

    /// Statements of a commit, by the table that they write to: each may be the one that the disk refuses.
    static let statements = [
        "INSERT ON agents", "INSERT ON call_series", "INSERT ON endpoint_series", "INSERT ON offering_series",
        "INSERT ON open_calls", "DELETE ON open_calls", "INSERT ON ids", "INSERT ON head",
    ]

    @Test("on its way leaves nothing of itself, and the next one is as if it had not been", arguments: statements)
    func halfWay(statement: String) throws {
        try withFolder { folder in
            var history = try filled(folder)
            let before = history.account
            let batch = history.store.batch
            try folder.tamper("CREATE TRIGGER fault BEFORE \(statement) BEGIN SELECT RAISE(FAIL, 'a fault'); END")
            for _ in 0..<3 {
                let error = #expect(throws: StoreError.self) { try history.take(Self.batch) }
                #expect(error?.kind == .damaged)
                #expect(error?.description.contains("a fault") == true)
                #expect(history.store.batch == batch)
            }
            #expect(history.account == before)
            #expect(try history.account(of: folder.crashed(into: folder.beside("crashed"))) == before)
            #expect(try Inspection(folder).check().batch == batch)

            try folder.tamper("DROP TRIGGER fault")
            #expect(try history.take(Self.batch) == [.accepted, .accepted, .accepted])
            #expect(history.store.batch == batch + 1)
            #expect(try Inspection(folder).check().batch == batch + 1)
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("for a reset leaves all as it was")
    func reset() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let before = history.account
            try folder.tamper(
                "CREATE TRIGGER fault BEFORE DELETE ON offering_series BEGIN SELECT RAISE(FAIL, 'a fault'); END")
            #expect(throws: StoreError.self) { try history.reset() }
            #expect(history.account == before)
            try folder.tamper("DROP TRIGGER fault")
            try history.take(Self.batch)
            try history.reset()
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("because another holds the database is refused at once, and leaves no transaction open")
    func held() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let other = try Connection(folder.database, .writing)
            try other.execute("BEGIN IMMEDIATE")
            guard case .refused = history.store.probe() else {
                Issue.record("nothing was written: there is nothing to settle")
                return
            }
            #expect(throws: StoreError.self) { try history.take(Self.batch) }
            try other.execute("ROLLBACK")
            // The other stays.
            defer { other.close() }
            #expect(try history.take(Self.batch) == [.accepted, .accepted, .accepted])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("does not end a store whose disk takes commits again")
    func probe() throws {
        try withFolder { folder in
            var history = try filled(folder)
            guard case .committed = history.store.probe() else {
                Issue.record("no commit of nothing")
                return
            }
            #expect(history.store.batch == 2)
            try folder.tamper("CREATE TRIGGER fault BEFORE INSERT ON head BEGIN SELECT RAISE(FAIL, 'a fault'); END")
            guard case .refused = history.store.probe() else {
                Issue.record("committed what the disk refused")
                return
            }
            try folder.tamper("DROP TRIGGER fault")
            try history.take(Self.batch)
            #expect(history.store.batch == 3)
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("is every one, once the store is closed")
    func closed() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let before = history.account
            history.close()
            history.close()
            #expect(throws: StoreError.self) { try history.take(Self.batch) }
            #expect(throws: StoreError.self) { try history.reset() }
            #expect(try history.account(of: folder) == before)
        }
    }
}
