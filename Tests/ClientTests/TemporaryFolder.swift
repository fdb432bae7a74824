import FoundationEssentials
import Testing

@testable import Client

/// A folder that is removed with its last reference.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/llm-exporter-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit {
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            Issue.record("\(path) is left: \(error)")
        }
    }

    func path(_ name: String) -> String { path + "/" + name }

    /// Writes a file, and returns its path.
    @discardableResult
    func write(_ text: String, to name: String = "calls.ndjson") throws -> String {
        try Data(text.utf8).write(to: URL(filePath: path(name)))
        return path(name)
    }

    /// Appends to a file without changing its inode.
    func append(_ text: String, to name: String = "calls.ndjson") throws {
        let before = try Data(contentsOf: URL(filePath: path(name)))
        try (before + Data(text.utf8)).write(to: URL(filePath: path(name)))
    }

    /// The names of its files and folders, sorted.
    var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }

    func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: false)
    }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    func text(_ name: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path(name))), as: UTF8.self)
    }

    func setMode(_ mode: Int, of name: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(name))
    }

    func mode(of name: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
        return try #require(attributes[.posixPermissions] as? Int)
    }

    func rename(_ name: String, to new: String) throws {
        try FileManager.default.moveItem(atPath: path(name), toPath: path(new))
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }

    /// What the file's `.sent` holds.
    func mark(_ name: String = "calls.ndjson") throws -> SentMark {
        try #require(try SentMark.read(path(name + SentMark.suffix)))
    }
}
