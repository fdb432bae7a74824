private import CSQLite
private import CXXHash
private import Glibc

/// The files of one store, and who may use them.
///
/// | file | holds |
/// |---|---|
/// | `llm-exporter.db` | the database |
/// | `llm-exporter.db-wal`, `-shm` | what SQLite keeps beside it while it is open, and after a crash |
/// | `llm-exporter.batch` | the number of the last batch that was acknowledged |
/// | `lock` | nothing but the holder's process id; held by `flock` |
package struct StorageFolder: Sendable {
    package let path: String

    package init(_ path: String) {
        self.path = path
    }

    package static let databaseName = "llm-exporter.db"

    /// From the root, as the log tells it; as it was given where it cannot be found.
    package var absolutePath: String {
        guard let resolved = unsafe realpath(path, nil) else { return path }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }

    package var database: String { path + "/" + Self.databaseName }
    var wal: String { database + "-wal" }
    var shm: String { database + "-shm" }
    var newDatabase: String { database + ".new" }
    var note: String { path + "/llm-exporter.batch" }
    var lock: String { path + "/lock" }

    /// Bytes of the files that grow, by name.
    package var sizes: [(file: String, bytes: Int64)] {
        [("database", Files.size(of: database)), ("wal", Files.size(of: wal))]
    }

    /// Makes the folder, and those above it, where they are missing.
    func create() throws(StoreError) {
        var parts = path.split(separator: "/", omittingEmptySubsequences: true)[...]
        var made = path.hasPrefix("/") ? "/" : ""
        while let part = parts.popFirst() {
            let parent = made.isEmpty ? "." : made
            made += part + "/"
            guard try Files.kind(of: made) != .folder else { continue }
            // Agents' names and costs concern nobody else on this host.
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

/// The exclusive use of a folder, for as long as the value lives.
final class FolderLock {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// How long a start waits for those who only read.
    private static let patience: Duration = .seconds(5)

    /// Takes the lock; waits for those who only read, but not for another exporter.
    ///
    /// - Parameter creates: whether a missing lock file is made, and the lock is exclusive.
    /// - Returns: `nil` where it is missing and not made: then nobody can hold it.
    static func take(_ folder: StorageFolder, creates: Bool, patience: Duration = patience) throws(StoreError)
        -> FolderLock?
    {
        let deadline = ContinuousClock.now + patience
        while true {
            // Read-only where nothing may be written: `flock` does not ask for more.
            let descriptor = unsafe open(folder.lock, (creates ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                if !creates, errno == ENOENT { return nil }
                throw .system(
                    "cannot open \(folder.lock); --storage.path must be a folder that this user may \(creates ? "write to" : "read")",
                    errno: errno)
            }
            // Those who only read do not keep each other out.
            if flock(descriptor, (creates ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 {
                let lock = FolderLock(descriptor: descriptor)
                // Replaced just now: then another may hold the one that is there.
                guard lock.isInPlace(folder) else { continue }
                if creates { lock.write(holder: "\(getpid())\n") }
                return lock
            }
            let error = errno
            let holder = holder(descriptor)
            let isShared = flock(descriptor, LOCK_SH | LOCK_NB) == 0
            close(descriptor)
            guard error == EWOULDBLOCK else { throw .system("cannot lock \(folder.lock)", errno: error) }
            guard isShared, ContinuousClock.now < deadline else {
                throw StoreError(
                    .inUse,
                    "\(folder.path) is in use by \(holder); stop it first, or choose another folder with --storage.path"
                )
            }
            usleep(50_000)
        }
    }

    func isInPlace(_ folder: StorageFolder) -> Bool { (try? check(folder)) != nil }

    /// - Throws: `failed` where the lock is not the one that the next who opens the folder finds: the folder may be his.
    func check(_ folder: StorageFolder) throws(StoreError) {
        guard let identity = try Files.identity(of: folder.lock), identity == Files.identity(of: descriptor) else {
            throw StoreError(
                .failed,
                "\(folder.lock) was moved, removed or replaced while the exporter ran, so that another may use the folder: put it back, or stop this exporter"
            )
        }
    }

    deinit {
        // Fails for those who only read, who have written nothing.
        write(holder: "")
        close(descriptor)
    }

    /// For people only: the lock itself is what counts, so a failure to write is none.
    private func write(holder: String) {
        ftruncate(descriptor, 0)
        var text = holder
        text.withUTF8 { utf8 in _ = unsafe pwrite(descriptor, utf8.baseAddress, utf8.count, 0) }
    }

    private static func holder(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 16)
        // Safe: the buffer is as long as said.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).prefix { $0.isNumber }
        guard let process = pid_t(text), kill(process, 0) == 0 || errno == EPERM else {
            return "another program (an exporter, or check-storage or backup)"
        }
        return "process \(process)"
    }
}

/// The number of the last batch that was acknowledged, written beside the database.
///
/// Not synced: after a power cut it may be old, which says nothing, and it is never ahead of a database whose commits are
/// synced before it is written. After a crash of the program it is exact. Then a database that ends before it has lost
/// commits: SQLite takes a damaged frame in the middle of its WAL for the end of it, and says nothing.
struct BatchNote: ~Copyable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    static func open(_ folder: StorageFolder) throws(StoreError) -> BatchNote {
        let descriptor = unsafe Glibc.open(folder.note, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot open \(folder.note)", errno: errno) }
        // Whatever stands behind a line would spoil it for ever.
        guard ftruncate(descriptor, min(off_t(line(0).utf8.count), lseek(descriptor, 0, SEEK_END))) == 0 else {
            let error = errno
            close(descriptor)
            throw .system("cannot truncate \(folder.note)", errno: error)
        }
        return BatchNote(descriptor: descriptor)
    }

    deinit {
        close(descriptor)
    }

    /// A failure leaves an older number, which only knows less.
    func write(_ batch: Int64) {
        var line = Self.line(batch)
        line.withUTF8 { utf8 in _ = unsafe pwrite(descriptor, utf8.baseAddress, utf8.count, 0) }
    }

    /// - Returns: `nil` where there is none, or none that can be read: then nothing is known.
    static func read(_ folder: StorageFolder) -> Int64? {
        guard let text = try? Files.beginning(of: folder.note, bytes: 64), let number = Int64(text.prefix(20)) else {
            return nil
        }
        return text == line(number) ? number : nil
    }

    /// Always of the same length, with a checksum: one that is torn is none.
    private static func line(_ batch: Int64) -> String {
        func padded(_ text: String, _ count: Int) -> String {
            String(repeating: "0", count: max(0, count - text.utf8.count)) + text
        }
        var number = padded(String(batch), 20)
        // Safe: the bytes are read while the closure runs.
        let checksum = number.withUTF8 { utf8 in unsafe XXH3_64bits(utf8.baseAddress, utf8.count) }
        return "\(number) \(padded(String(checksum, radix: 16), 16))\n"
    }
}

/// What the store needs of the file system beside SQLite.
enum Files {
    enum Kind {
        case missing
        case folder
        case file(identity: Identity, bytes: Int64)
        case other

        static func == (left: Kind, right: Kind) -> Bool {
            switch (left, right) {
            case (.missing, .missing), (.folder, .folder): true
            default: false
            }
        }

        static func != (left: Kind, right: Kind) -> Bool { !(left == right) }
    }

    /// Tells one file from another that took its name.
    struct Identity: Equatable {
        let device: UInt
        let inode: UInt
    }

    /// - Throws: where it cannot be told: what cannot be seen may still be there.
    static func kind(of path: String) throws(StoreError) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .system("cannot look at \(path)", errno: errno) }
            // A link that leads nowhere is something, too.
            return unsafe lstat(path, &status) == 0 ? .other : .missing
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .folder
        case S_IFREG:
            return .file(
                identity: Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino)),
                bytes: Int64(status.st_size))
        default: return .other
        }
    }

    static func identity(of path: String) throws(StoreError) -> Identity? {
        if case .file(let identity, _) = try kind(of: path) { identity } else { nil }
    }

    static func identity(of descriptor: Int32) -> Identity? {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return nil }
        return Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino))
    }

    /// 0 where there is no such file, or it cannot be told.
    static func size(of path: String) -> Int64 {
        if case .file(_, let bytes) = try? kind(of: path) { bytes } else { 0 }
    }

    /// Makes an empty file that nobody else may read: names of agents and costs are in it.
    static func create(_ path: String) throws(StoreError) {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot create \(path)", errno: errno) }
        close(descriptor)
    }

    static func remove(_ path: String) throws(StoreError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .system("cannot remove \(path)", errno: errno) }
    }

    /// Moves a file to its name for good: synced first, so that the name never leads to half of it.
    static func publish(_ source: String, as target: String, in folder: String) throws(StoreError) {
        try sync(source, O_RDWR)
        guard try kind(of: target) == .missing else { throw StoreError(.failed, "\(target) exists already") }
        // Also a file that came just now stays what it is, where the file system can do that.
        guard
            unsafe csqlite_rename_new(source, target) == 0
                || (errno == EINVAL && rename(source, target) == 0)
        else { throw .system("cannot rename \(source) to \(target)", errno: errno) }
        try sync(folder: folder)
    }

    /// A name in the same folder that no file has.
    static func unusedName(beside file: String) throws(StoreError) -> String {
        var number = 0
        while true {
            let name = "\(file).\(getpid())-\(number).new"
            if try kind(of: name) == .missing { return name }
            number += 1
        }
    }

    /// The folder that a file lies in.
    static func folder(of file: String) -> String {
        guard let slash = file.lastIndex(of: "/") else { return "." }
        return slash == file.startIndex ? "/" : String(file[..<slash])
    }

    static func sync(folder: String) throws(StoreError) {
        try sync(folder, O_RDONLY | O_DIRECTORY)
    }

    private static func sync(_ path: String, _ flags: Int32) throws(StoreError) {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system("cannot sync \(path)", errno: errno) }
    }

    /// Writes a file's own bytes over themselves and syncs it.
    ///
    /// After a sync that failed Linux holds the pages for clean although they may not be on the disk, and the next sync
    /// succeeds without them. Written again, they are synced again.
    static func rewrite(_ path: String, _ identity: Identity) throws(StoreError) {
        let descriptor = try open(path, O_RDWR, identity)
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var offset = 0
        while true {
            let count = unsafe pread(descriptor, buffer.baseAddress, buffer.count, offset)
            guard count >= 0 else { throw .system("cannot read \(path)", errno: errno) }
            if count == 0 { break }
            var written = 0
            while written < count {
                let step = unsafe pwrite(
                    descriptor, buffer.baseAddress.map { unsafe $0 + written }, count - written, offset + written)
                guard step > 0 else { throw .system("cannot write \(path)", errno: errno) }
                written += step
            }
            offset += count
        }
        guard fsync(descriptor) == 0 else { throw .system("cannot sync \(path)", errno: errno) }
    }

    /// Ends a file at `end`, where it is longer, for good.
    static func cut(_ path: String, _ identity: Identity, at end: Int64) throws(StoreError) {
        let descriptor = try open(path, O_RDWR, identity)
        defer { close(descriptor) }
        if lseek(descriptor, 0, SEEK_END) > end, ftruncate(descriptor, off_t(end)) != 0 {
            throw .system("cannot truncate \(path)", errno: errno)
        }
        // Also where it was shorter: an earlier try may have failed here.
        guard fsync(descriptor) == 0 else { throw .system("cannot sync \(path)", errno: errno) }
    }

    /// Opens a file, if it is this one.
    private static func open(_ path: String, _ flags: Int32, _ identity: Identity) throws(StoreError) -> Int32 {
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno: errno) }
        guard Files.identity(of: descriptor) == identity else {
            close(descriptor)
            throw StoreError(.failed, "\(path) was replaced")
        }
        return descriptor
    }

    /// The first bytes of a file, or all where it has fewer.
    static func beginning(of path: String, bytes limit: Int) throws(StoreError) -> String {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno: errno) }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: limit)
        // Safe: the buffer is as long as said.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw .system("cannot read \(path)", errno: errno) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
