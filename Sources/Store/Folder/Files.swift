private import CSQLite
private import Glibc

/// The store's own use of the file system, beside SQLite.
///
/// Safe: each path is a Swift string, which is passed with its final zero, and each `stat` lives while it is filled.
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

    /// Distinguishes a file from another that took its name.
    struct Identity: Equatable {
        let device: UInt
        let inode: UInt
    }

    /// Shows whether a file was written: each write changes the time or the size.
    ///
    /// The time of the inode's last change is no part of it: SQLite sets the owner of a WAL that root opens to read.
    struct Stamp: Equatable {
        let identity: Identity
        let bytes: Int64
        /// The time of the last write.
        let seconds: Int
        let nanoseconds: Int
    }

    /// - Throws: if the file cannot be looked up: it may be there all the same.
    static func kind(of path: String) throws(StoreError) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            guard errno == ENOENT || errno == ENOTDIR else { throw .system("cannot look at \(path)", errno: errno) }
            // A link that leads nowhere is not missing.
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

    /// - Returns: `nil` if it is no file, or cannot be looked up.
    static func stamp(of path: String) -> Stamp? {
        var status = stat()
        guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        return Stamp(
            identity: Identity(device: UInt(status.st_dev), inode: UInt(status.st_ino)), bytes: Int64(status.st_size),
            seconds: status.st_mtim.tv_sec, nanoseconds: status.st_mtim.tv_nsec)
    }

    /// Makes the time of a file's last write one that no write sets, and returns the file's stamp.
    ///
    /// The system's clock stands still for some milliseconds at a time: without this, another write within the same
    /// tick would not change the stamp.
    static func mark(_ path: String) -> Stamp? {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        var times = [status.st_atim, status.st_mtim]
        times[1].tv_nsec = (times[1].tv_nsec + 1) % 1_000_000_000
        // It fails for a process that may write the file and does not own it: a write within the tick is missed then.
        // Safe: two times are read, as many as there are.
        unsafe _ = utimensat(AT_FDCWD, path, times, 0)
        return stamp(of: path)
    }

    /// A file that is open for reading while the value lives. Not for the database: to close it would drop SQLite's
    /// locks.
    struct Reading: ~Copyable {
        let descriptor: Int32

        /// Opens a file, if it is this one.
        init(_ path: String, _ identity: Identity) throws(StoreError) {
            descriptor = try Files.open(path, O_RDONLY, identity)
        }

        deinit { close(descriptor) }
    }

    /// 0 if there is no such file, or it cannot be looked up.
    static func size(of path: String) -> Int64 {
        if case .file(_, let bytes) = try? kind(of: path) { bytes } else { 0 }
    }

    /// Makes an empty file that no other user may read: names of agents and costs are in it.
    static func create(_ path: String) throws(StoreError) {
        let descriptor = unsafe Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("cannot create \(path)", errno: errno) }
        close(descriptor)
    }

    static func remove(_ path: String) throws(StoreError) {
        guard unsafe unlink(path) == 0 || errno == ENOENT else { throw .system("cannot remove \(path)", errno: errno) }
    }

    /// Moves a file to its name, durably: synced first, so that the name never leads to half of it.
    static func publish(_ source: String, as target: String, in folder: String) throws(StoreError) {
        try sync(source, O_RDWR)
        guard try kind(of: target) == .missing else { throw StoreError(.failed, "\(target) exists already") }
        // Does not replace a file that came just now, if the file system can do that.
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
    /// After a failed sync Linux holds the pages to be clean although they may not be on the disk, and the next sync
    /// succeeds without them. Written again, they are synced again.
    static func rewrite(_ path: String, _ identity: Identity) throws(StoreError) {
        let descriptor = try open(path, O_RDWR, identity)
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { unsafe buffer.deallocate() }
        var offset = 0
        while true {
            // Safe: no call reads or writes beyond the buffer, which lives until the end.
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

    /// Cuts a file at `end`, if it is longer, durably.
    static func cut(_ path: String, _ identity: Identity, at end: Int64) throws(StoreError) {
        let descriptor = try open(path, O_RDWR, identity)
        defer { close(descriptor) }
        if lseek(descriptor, 0, SEEK_END) > end, ftruncate(descriptor, off_t(end)) != 0 {
            throw .system("cannot truncate \(path)", errno: errno)
        }
        // Also if it was shorter: an earlier attempt may have failed here.
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

    /// The first bytes of a file, or all if it has fewer.
    static func beginning(of path: String, bytes limit: Int) throws(StoreError) -> String {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("cannot open \(path)", errno: errno) }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: limit)
        // Safe: at most as many bytes are read as the buffer holds.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        guard count >= 0 else { throw .system("cannot read \(path)", errno: errno) }
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }
}
