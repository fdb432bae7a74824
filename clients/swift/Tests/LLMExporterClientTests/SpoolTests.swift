import Foundation
import Testing

@testable import LLMExporterClient

@Suite("The spool") struct SpoolTests {
    private let folder = TemporaryFolder()
    private let log = LogBook()

    private func spool(
        _ address: String = "http://exporter", maxBytes: Int = 64 << 20, segmentBytes: Int = 4 << 20
    ) -> Spool {
        Spool(
            folder: folder.spool, address: address, maxBytes: maxBytes, segmentBytes: segmentBytes,
            reports: Reports(logger: log.logger))
    }

    private func batch(_ id: String, lines: Int = 1, firstPlace: Int = 0) -> Batch {
        let body = String(repeating: "{\"id\":\"\(id)\"}\n", count: lines)
        return Batch(agentName: "Réviseur", body: Array(body.utf8), firstPlace: firstPlace, created: .now)
    }

    private func drain(_ spool: inout Spool) -> [String] {
        var bodies: [String] = []
        while let batch = spool.first().batch {
            bodies.append(String(decoding: batch.body, as: UTF8.self))
            spool.removeFirst()
        }
        return bodies
    }

    @Test("first in, first out, and nothing left behind, in files of this user alone")
    func order() throws {
        var spool = spool()
        for n in 0..<3 { #expect(spool.append(batch("\(n)", firstPlace: n)) == .stored) }
        #expect(spool.extent == Spool.Extent(records: 3, isEmpty: false, firstPlace: 0))
        #expect(try folder.mode() == 0o700 && folder.mode(of: folder.files()[0]) == 0o600)
        #expect(spool.first().batch?.agentName == "Réviseur")
        #expect(drain(&spool) == (0..<3).map { "{\"id\":\"\($0)\"}\n" })
        #expect(spool.extent == Spool.Extent())
        #expect(try folder.contents() == "" && folder.files().count == 1)
        #expect(spool.append(batch("9")) == .stored && drain(&spool).count == 1)
        spool.close()
        #expect(try folder.files() == [])
    }

    @Test("a frame is a line of JSON with a checksum, then the batch")
    func frame() throws {
        var spool = spool()
        _ = spool.append(batch("7", lines: 2))
        let lines = try folder.contents().split(separator: "\n")
        let header = try JSONDecoder().decode(SpoolFrame.Header.self, from: Data(lines[0].utf8))
        #expect(header.agent == "Réviseur" && header.records == 2 && header.bytes == 22)
        #expect(abs(header.time - Date().timeIntervalSince1970) < 5)
        #expect(lines.dropFirst() == ["{\"id\":\"7\"}", "{\"id\":\"7\"}"])
        // The check value of the polynomial.
        #expect(SpoolFrame.checksum(of: Array("123456789".utf8)) == 0xCBF4_3926)
        spool.close()
    }

    @Test("a living one's file is its own; a dead one's is adopted once, without starts, by its exporter's alone")
    func adoption() throws {
        var (dead, heir, late, stranger) = (spool(), spool(), spool(), spool("http://other"))
        for n in 0..<3 { _ = dead.append(batch("\(n)")) }
        let start = Array("{\"event\":\"start\",\"agent_name\":\"A\",\"id\":\"s\"}\n".utf8)
        _ = dead.append(Batch(agentName: "A", body: start, firstPlace: 0, created: .now))
        #expect(heir.adopt() == 0)
        #expect(dead.first().batch?.records == 1)
        dead.removeFirst()
        dead.close()
        _ = heir.append(batch("9"))
        // What the dead one had delivered is not marked: its ids tell.
        #expect(stranger.adopt() == 0 && heir.adoptSoon() == 3 && late.adopt() == 0)
        #expect(heir.extent.records == 4)
        #expect(drain(&heir) == ["9", "0", "1", "2"].map { "{\"id\":\"\($0)\"}\n" })
        for spool in [heir, late, stranger] { spool.close() }
        #expect(try folder.files() == [])
    }

    @Test(
        "damage ends a file, is warned of, and harms nothing else", arguments: ["torn", "flipped", "zeros", "nonsense"])
    func damage(kind: String) throws {
        var (dead, heir) = (spool(), spool())
        for id in ["1", "2"] { _ = dead.append(batch(id)) }
        dead.close()
        let file = try folder.files()[0]
        let content = try Data(contentsOf: file)
        let second = try #require(content.range(of: Data("{\"agent".utf8), options: .backwards)).lowerBound
        let first = content[..<second]
        let damaged =
            switch kind {
            case "torn": content.dropLast()
            case "flipped": content.dropLast(3) + [content[content.endIndex - 3] ^ 1] + content.suffix(2)
            case "zeros": first + Data(count: 100)
            default: first + Data("{\"agent\":1}\n".utf8)
            }
        try damaged.write(to: file)
        #expect(heir.adoptSoon() == 1)
        #expect(drain(&heir) == ["{\"id\":\"1\"}\n"] && heir.extent == Spool.Extent())
        #expect(log.warnings.count == 1 && log.warnings.first?.contains("dropped") == true)
        heir.close()
        #expect(try folder.files() == [])
    }

    @Test("what comes to harm while it waits is told, so that it can be counted")
    func harm() throws {
        var spool = spool()
        for id in ["1", "2"] { _ = spool.append(batch(id, lines: 5)) }
        let handle = try FileHandle(forWritingTo: folder.files()[0])
        try handle.truncate(atOffset: 10)
        let (found, lost) = spool.first()
        #expect(found == nil && lost == 10 && spool.extent == Spool.Extent())
        #expect(spool.append(batch("3")) == .stored && drain(&spool) == ["{\"id\":\"3\"}\n"])
        spool.close()
    }

    @Test("files grow to a bound, then the next begins; a drained one is deleted")
    func segments() throws {
        var spool = spool(segmentBytes: 4000)
        let padding = String(repeating: "x", count: 200)
        for n in 10..<30 { #expect(spool.append(batch("\(n)\(padding)")) == .stored) }
        #expect(try folder.files().count == 2)
        var expected = 10
        while let batch = spool.first().batch {
            #expect(batch.records == 1 && batch.body.starts(with: Array("{\"id\":\"\(expected)xx".utf8)))
            spool.removeFirst()
            expected += 1
        }
        #expect(expected == 30)
        #expect(try folder.files().count == 1 && folder.contents() == "")
        spool.close()
    }

    @Test("a full spool refuses, and has room again when it is drained; what it adopted counts")
    func full() {
        var spool = spool(maxBytes: 1000)
        let taken = (0..<20).count { spool.append(batch("\($0)", lines: 10)) == .stored }
        #expect(taken > 0 && taken < 10 && drain(&spool).count == taken)
        #expect(spool.append(batch("1", lines: 10)) == .stored)
        spool.close()
        var heir = self.spool(maxBytes: 300)
        #expect(heir.adoptSoon() == 10 && heir.append(batch("2", lines: 10)) == .full)
        heir.close()
    }

    @Test("halves keep everything, on disk until both are answered")
    func halves() throws {
        var spool = spool()
        _ = spool.append(batch("1", lines: 5))
        _ = spool.append(batch("2"))
        _ = spool.first()
        spool.splitFirst()
        #expect(spool.first().batch?.records == 2)
        spool.removeFirst()
        #expect(spool.extent.records == 4)
        #expect(try folder.contents().components(separatedBy: "\"1\"").count - 1 == 5)
        #expect(drain(&spool).map(\.utf8.count) == [33, 11])
        spool.close()
    }

    @Test("a folder that is deleted is made again")
    func deletedFolder() throws {
        var (spool, heir) = (spool(), spool())
        _ = spool.append(batch("1"))
        try FileManager.default.removeItem(atPath: folder.spool)
        #expect(spool.append(batch("2")) == .stored)
        spool.close()
        #expect(heir.adoptSoon() == 1 && drain(&heir) == ["{\"id\":\"2\"}\n"])
        heir.close()
    }

    @Test("a folder that was there keeps its mode")
    func givenFolder() throws {
        try FileManager.default.createDirectory(
            atPath: folder.spool, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        var spool = spool()
        #expect(spool.append(batch("1")) == .stored)
        #expect(try folder.mode() == 0o755)
        spool.close()
    }
}

/// A folder for a spool, removed in the end.
final class TemporaryFolder: Sendable {
    let spool = FileManager.default.temporaryDirectory.appending(path: "llm-exporter-client-\(UUID())/spool").path

    deinit { try? FileManager.default.removeItem(at: URL(filePath: spool).deletingLastPathComponent()) }

    func files() throws -> [URL] {
        guard FileManager.default.fileExists(atPath: spool) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: spool).sorted().map {
            URL(filePath: spool).appending(path: $0)
        }
    }

    /// What the files hold, one after the other.
    func contents() throws -> String {
        try files().map { try String(contentsOf: $0, encoding: .utf8) }.joined()
    }

    /// How many records they hold, headers aside.
    func records() throws -> Int { try contents().components(separatedBy: "{\"agent_name\"").count - 1 }

    func mode(of file: URL? = nil) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: file?.path ?? spool)[.posixPermissions] as? Int
    }
}

extension Spool {
    /// Adopts what there is. A program that another test starts may have a copy of its lock, for a moment.
    fileprivate mutating func adoptSoon() -> Int {
        for _ in 0..<500 {
            let count = adopt()
            if count > 0 { return count }
            usleep(10_000)
        }
        return 0
    }
}
