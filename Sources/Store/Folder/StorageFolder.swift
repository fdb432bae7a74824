private import Glibc

/// The files of one store.
///
/// | file | holds |
/// |---|---|
/// | `llm-exporter.db` | the database |
/// | `llm-exporter.db-wal`, `-shm` | what SQLite keeps beside it while it is open, and after a crash |
/// | `llm-exporter.batch` | the number of the last batch that was acknowledged |
/// | `lock` | nothing but the holder's process id; held by `flock` |
package struct StorageFolder: Sendable {
    package let path: String
    // Each commit looks at these: they are made once.
    package let database: String
    let wal: String
    let shm: String
    let note: String
    let lock: String

    package init(_ path: String) {
        self.path = path
        database = path + "/" + Self.databaseName
        wal = database + "-wal"
        shm = database + "-shm"
        note = path + "/llm-exporter.batch"
        lock = path + "/lock"
    }

    package static let databaseName = "llm-exporter.db"

    /// From the root, for the log; as it was given if it cannot be found.
    package var absolutePath: String {
        // Safe: the C string is copied, and then freed once.
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    var newDatabase: String { database + ".new" }

    /// Bytes of the files that grow, by name.
    package var sizes: [(file: String, bytes: Int64)] {
        [("database", Files.size(of: database)), ("wal", Files.size(of: wal))]
    }

    /// Makes the folder, and those above it, if they are missing.
    func create() throws(StoreError) {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)[...]
        var made = path.hasPrefix("/") ? "/" : ""
        while let part = parts.popFirst() {
            let parent = made.isEmpty ? "." : made
            made += part + "/"
            guard try Files.kind(of: made) != .folder else { continue }
            // Agents' names and costs concern no other user of this host.
            // Safe: the path is a Swift string, which is passed with its final zero.
            guard unsafe mkdir(made, 0o700) == 0 || errno == EEXIST else {
                throw .system("cannot create the folder \(made); choose another with --storage.path", errno: errno)
            }
            try Files.sync(folder: parent)
        }
        guard try Files.kind(of: path) == .folder else {
            throw StoreError(.failed, "\(path) is not a folder; choose another with --storage.path")
        }
    }
}
