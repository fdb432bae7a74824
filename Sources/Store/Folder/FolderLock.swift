private import Glibc

/// The exclusive use of a folder while the value lives.
final class FolderLock {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// How long a start waits for programs that only read.
    private static let patience: Duration = .seconds(5)

    /// Takes the lock; waits for programs that only read, but not for another exporter.
    ///
    /// - Parameter creates: whether a missing lock file is made, and the lock is exclusive.
    /// - Returns: `nil` if it is missing and not made: then no program holds it.
    static func take(_ folder: StorageFolder, creates: Bool, patience: Duration = patience) throws(StoreError)
        -> FolderLock?
    {
        let deadline = ContinuousClock.now + patience
        while true {
            // Read-only if nothing may be written: `flock` does not ask for more.
            // Safe: the path is a Swift string, which is passed with its final zero.
            let descriptor = unsafe open(folder.lock, (creates ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                if !creates, errno == ENOENT { return nil }
                throw .system(
                    "cannot open \(folder.lock); --storage.path must be a folder that this user may "
                        + (creates ? "write to" : "read"), errno: errno)
            }
            // Programs that only read do not keep each other out.
            if flock(descriptor, (creates ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 {
                let lock = FolderLock(descriptor: descriptor)
                // If the file was replaced just now, another program may hold the new one.
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
                    "\(folder.path) is in use by \(holder); "
                        + "stop it first, or choose another folder with --storage.path")
            }
            usleep(50_000)
        }
    }

    func isInPlace(_ folder: StorageFolder) -> Bool { (try? check(folder)) != nil }

    /// - Throws: `failed` if the lock file was replaced: another process may own the folder.
    func check(_ folder: StorageFolder) throws(StoreError) {
        guard let identity = try Files.identity(of: folder.lock), identity == Files.identity(of: descriptor) else {
            throw StoreError(
                .failed,
                "\(folder.lock) was moved, removed or replaced while the exporter ran, "
                    + "so that another may use the folder: put it back, or stop this exporter")
        }
    }

    deinit {
        // Fails for a program that only reads, which has written nothing.
        write(holder: "")
        close(descriptor)
    }

    /// For people only: the lock itself is what counts, so a failure to write does not matter.
    private func write(holder: String) {
        ftruncate(descriptor, 0)
        var text = holder
        // Safe: as many bytes are written as there are.
        text.withUTF8 { utf8 in _ = unsafe pwrite(descriptor, utf8.baseAddress, utf8.count, 0) }
    }

    private static func holder(_ descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 16)
        // Safe: at most as many bytes are read as the buffer holds.
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, 0) }
        let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self).prefix { $0.isNumber }
        guard let process = pid_t(text), kill(process, 0) == 0 || errno == EPERM else {
            return "another program (an exporter, or check-storage or backup)"
        }
        return "process \(process)"
    }
}
