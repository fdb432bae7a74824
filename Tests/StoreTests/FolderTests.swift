import FoundationEssentials
import Glibc
import Model
import Testing

@testable import Store

@Suite("The folder of a store") struct FolderTests {
    @Test("is held by one store at a time, and the second is told by whom")
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
            #expect(throws: StoreError.self) { try Store.reset(folder) }
            #expect(throws: StoreError.self) { try Store.forget(SeriesSelection(agentName: "A"), in: folder) }
            #expect(try folder.contents() == before)
            // The first has noticed nothing.
            try history.take([.ended("A", 2)])
            history.close()
            #expect(try history.account(of: folder) == history.account)
        }
    }

    @Test("goes on where someone took its lock for a stale one and removed it")
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

    @Test("is written by one store at a time even where its lock was removed and another came")
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

    @Test("is made where it is missing, for its owner alone")
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
        "keeps what only its WAL held, where that or its index was removed, and goes on", arguments: ["-wal", "-shm"])
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
            // Also where it ends now.
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

@Suite("An inspection") struct InspectionTests {
    private func filled(_ folder: StorageFolder) throws -> History {
        var history = try History(folder)
        try history.take([.ended("A", 1), .ended("B", 2), .started("B", 3), .ended("A", 1)])
        try history.take([.ended("A", 4), .end(CallRecord(labels: SeriesLabels("A")))])
        return history
    }

    private func expectFilled(_ report: Inspection.Report, batch: Int64 = 2) {
        #expect(report.batch == batch)
        #expect(report.series == 2)
        #expect(report.calls == 4)
        #expect(report.ids == 4)
        #expect(report.openCalls == 1)
    }

    enum Situation: CaseIterable {
        case besideAStore
        case stopped
        case crashed
        case copied
    }

    /// A folder in that situation, and the store that is to be closed afterwards.
    private func folder(_ situation: Situation, _ folder: StorageFolder) throws -> (StorageFolder, History) {
        let history = try filled(folder)
        switch situation {
        case .besideAStore: return (folder, history)
        case .crashed: return (try folder.crashed(into: folder.beside("crashed")), history)
        case .stopped:
            history.close()
            return (folder, history)
        case .copied:
            history.close()
            let copy = folder.beside("copy")
            try copy.fill(["llm-exporter.db": try folder.contents()["llm-exporter.db"] ?? []])
            return (copy, history)
        }
    }

    @Test("tells what was committed, makes no file and changes none", arguments: Situation.allCases)
    func leavesNoTrace(situation: Situation) throws {
        try withFolder { root in
            let (folder, history) = try folder(situation, root)
            let names = try folder.names()
            // The index of the WAL is memory that readers share.
            let before = try folder.contents().filter { !$0.key.hasSuffix("-shm") }
            expectFilled(try Inspection(folder).check())
            let copy = folder.beside("backup.db").path
            expectFilled(try Inspection(folder).copy(to: copy))
            #expect(try folder.names() == names)
            #expect(try folder.contents().filter { !$0.key.hasSuffix("-shm") } == before)
            #expect(try root.beside("").names().filter { $0.hasPrefix("backup") } == ["backup.db"])

            let restored = folder.beside("restored")
            try restored.fill(["llm-exporter.db": [UInt8](try Data(contentsOf: URL(filePath: copy)))])
            #expect(try history.account(of: restored) == history.account)
            history.close()
        }
    }

    @Test("beside a store sees each batch, and lets it go on")
    func besideAStore() throws {
        try withFolder { folder in
            var history = try filled(folder)
            let inspection = try Inspection(folder)
            expectFilled(try inspection.check())
            for number in 0..<1200 {
                try history.take([.ended("A", 100 + number)])
                if number % 100 == 0 { #expect(try inspection.check().batch == 3 + Int64(number)) }
            }
            #expect(try inspection.check().calls == 1204)
            // Was written back meanwhile: an inspection keeps no WAL from that between its reads.
            #expect(folder.sizes[1].bytes < 8 << 20)
            let batch = try inspection.copy(to: folder.beside("backup.db").path).batch
            #expect(batch == 1202)
            history.close()
        }
    }

    @Test("keeps an exporter from starting on a folder that it reads alone")
    func holdsTheLock() throws {
        try withFolder { folder in
            try filled(folder).close()
            do {
                let inspection = try Inspection(folder)
                let error = #expect(throws: StoreError.self) { try folder.opened() }
                #expect(error?.kind == .inUse)
                expectFilled(try inspection.check())
            }
            #expect(try folder.opened().registry.calls.count == 2)
        }
    }

    @Test("of a folder without a database says so, and makes none")
    func missing() throws {
        try withFolder { folder in
            try folder.fill([:])
            for folder in [folder, folder.beside("nowhere")] {
                let error = #expect(throws: StoreError.self) { try Inspection(folder) }
                #expect(error?.kind == .failed)
                #expect(error?.description.contains(folder.database) == true)
            }
            #expect(try folder.names() == [])
            #expect(try folder.beside("").names() == ["storage"])
        }
    }

    @Test("finds the damage that a start refuses", arguments: [true, false])
    func damage(besideAStore: Bool) throws {
        try withFolder { folder in
            let history = try filled(folder)
            if !besideAStore { history.close() }
            try folder.tamper("UPDATE call_series SET tokens = tokens + 1 WHERE number = 2")
            let inspection = try Inspection(folder)
            // However often it is asked.
            for _ in 0..<2 {
                let error = #expect(throws: StoreError.self) { try inspection.check() }
                #expect(error?.kind == .damaged)
                #expect(error?.description.contains(folder.database) == true)
                #expect(error?.description.contains("call_series, row 2") == true)
            }
            history.close()
        }
    }

    @Test("refuses to copy onto anything that exists", arguments: ["file", "folder", "link", "database"])
    func copyKeepsWhatIsThere(kind: String) throws {
        try withFolder { folder in
            try filled(folder).close()
            let before = try folder.contents()
            let target = kind == "database" ? folder.database : folder.beside("target").path
            switch kind {
            case "file": try Data("precious".utf8).write(to: URL(filePath: target))
            case "folder": try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
            case "link":
                try FileManager.default.createSymbolicLink(atPath: target, withDestinationPath: folder.database)
            default: break
            }
            let error = #expect(throws: StoreError.self) { try Inspection(folder).copy(to: target) }
            #expect(error?.kind == .failed)
            #expect(error?.description.contains(target) == true)
            if kind == "file" { #expect(try Data(contentsOf: URL(filePath: target)) == Data("precious".utf8)) }
            #expect(try folder.contents() == before)
            #expect(try folder.beside("").names() == (kind == "database" ? ["storage"] : ["storage", "target"]))
        }
    }

    @Test("leaves a file alone that merely has a name like the copy's")
    func copyKeepsNeighbours() throws {
        try withFolder { folder in
            try filled(folder).close()
            let neighbour = folder.beside("backup.new").path
            try Data("precious".utf8).write(to: URL(filePath: neighbour))
            // Whether it then copies or refuses is its own affair.
            _ = try? Inspection(folder).copy(to: folder.beside("backup").path)
            #expect(FileManager.default.contents(atPath: neighbour) == Data("precious".utf8))
        }
    }

    @Test("that cannot copy leaves nothing behind")
    func failedCopy() throws {
        try withFolder { folder in
            try filled(folder).close()
            #expect(throws: StoreError.self) {
                try Inspection(folder).copy(to: folder.beside("missing").path + "/backup.db")
            }
            #expect(try folder.beside("").names() == ["storage"])
            try folder.tamper("DELETE FROM agents WHERE number = 1")
            let error = #expect(throws: StoreError.self) {
                try Inspection(folder).copy(to: folder.beside("backup").path)
            }
            #expect(error?.kind == .damaged)
            #expect(try folder.beside("").names() == ["storage"])
        }
    }
}

@Suite("A stopped store") struct StoppedStoreTests {
    private func filled(_ folder: StorageFolder) throws -> History {
        var history = try History(folder, .example(maxSeries: 4))
        for (number, agentName) in (["A", "B", "A", "C", "D"] as [LabelValue]).enumerated() {
            try history.take(
                CallRecord(
                    labels: SeriesLabels(agentName, "p", number == 2 ? "m2" : "m1"), usage: Usage(input: 10),
                    cost: Money(picoUSD: 7), latencyMicroseconds: 5, apiLatencyMicroseconds: 5, memoryRSSMegabytes: 1,
                    memoryAvailableMegabytes: 2, id: .example(number)))
        }
        try history.take([.started("A", 10), .started("B", 11)])
        return history
    }

    @Test("is reset as a running one is: ids and calls in flight stay", arguments: [true, false])
    func reset(afterACrash: Bool) throws {
        try withFolder { folder in
            var history = try filled(folder)
            let stopped = try folder.crashed(into: folder.beside("stopped"))
            if !afterACrash { _ = try stopped.opened() }
            let (series, sums) = try Store.reset(stopped)
            #expect(series == 5)
            #expect([sums.calls, sums.failedCalls, sums.tokens, sums.picoUSD] == [5, 0, 50, 35])
            try history.reset()
            #expect(try history.account(of: stopped) == history.account)
            #expect(history.state.registry.calls.count == 0)
            #expect(history.state.openCalls.count == 2)
            history.close()
        }
    }

    @Test(
        "forgets as a running one does, and tells what",
        arguments: [
            SeriesSelection(agentName: "A"), SeriesSelection(agentName: "A", model: "m2"),
            SeriesSelection(agentName: "B", provider: "p"), SeriesSelection(agentName: "_other"),
        ])
    func forget(selection: SeriesSelection) throws {
        try withFolder { folder in
            var history = try filled(folder)
            let stopped = try folder.crashed(into: folder.beside("stopped"))
            let forgotten = try Store.forget(selection, in: stopped)
            let expected = try history.forget(selection)
            #expect(!expected.isEmpty)
            #expect(forgotten.series == expected.series)
            #expect(forgotten.sums == expected.sums)
            #expect(forgotten.removesAgent == expected.removesAgent)
            #expect(try history.account(of: stopped) == history.account)
            history.close()
        }
    }

    @Test("keeps all where nothing has the labels, or there is no database")
    func nothingToForget() throws {
        try withFolder { folder in
            let history = try filled(folder)
            history.close()
            #expect(try Store.forget(SeriesSelection(agentName: "Z"), in: folder).isEmpty)
            #expect(try history.account(of: folder) == history.account)
            let nowhere = folder.beside("nowhere")
            for error in [
                #expect(throws: StoreError.self) { try Store.reset(nowhere) },
                #expect(throws: StoreError.self) { try Store.forget(SeriesSelection(agentName: "A"), in: nowhere) },
            ] {
                #expect(error?.kind == .failed)
                #expect(error?.description.contains(nowhere.database) == true)
            }
            #expect(!FileManager.default.fileExists(atPath: nowhere.path))
        }
    }

    @Test("keeps the times of its ids and calls")
    func keepsTimes() throws {
        try withFolder { folder in
            var history = try History(folder)
            for number in 0..<5 {
                try history.take([.ended("A", number), .started("A", 10 + number)])
                history.pass(.seconds(100))
            }
            history.close()
            _ = try Store.reset(folder)
            try history.restart()
            #expect(
                history.state.openCalls.all.map(\.begun).sorted()
                    == (0..<5).map { dawn.adding(.seconds(100 * $0)) })
            #expect(
                history.ids.map { history.state.recentIDs.end(of: $0, after: history.now) }.max()
                    == dawn.adding(.seconds(4000)).unixMilliseconds)
            history.close()
        }
    }
}
