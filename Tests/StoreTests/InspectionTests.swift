import FoundationEssentials
import Model
import Testing

@testable import Store

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

    @Test("reports what was committed, makes no file and changes none", arguments: Situation.allCases)
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
