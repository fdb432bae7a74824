import NIOCore

#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// One file of the spool, open and locked: a row of frames, of which the oldest is read and the last is written.
///
/// Whoever holds it closes or removes it in the end.
struct SpoolSegment: Sendable {
    private struct Extent {
        let bytes: Int
        let records: Int
        /// See `Batch.firstPlace`.
        let place: Int?
    }

    let path: String
    /// Whether a process that died wrote it; its starts of calls are passed over.
    let isOrphan: Bool
    private let descriptor: CInt
    private var frames = CircularBuffer<Extent>()
    /// Where the oldest frame begins.
    private var start = 0
    private var end = 0
    /// The bytes of frames that wait.
    var bytes: Int { end - start }
    var isEmpty: Bool { frames.isEmpty }
    var firstPlace: Int? { frames.first?.place }
    private(set) var records = 0

    /// Makes a file for this process, locked before it has a name that others look for.
    init(creating name: String, in folder: String) throws(IOError) {
        let (path, draft) = ("\(folder)/\(name)", "\(folder)/\(name).new")
        descriptor = unsafe open(draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure("open") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, unsafe rename(draft, path) == 0 else {
            let failure = Self.failure("lock")
            unsafe unlink(draft)
            _ = Self.close(descriptor)
            throw failure
        }
        (self.path, isOrphan) = (path, false)
        let folder = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if folder >= 0 {
            // The name, too, is to outlive a cut of power.
            fsync(folder)
            _ = Self.close(folder)
        }
    }

    /// Takes over what a dead process left; nil where the file has an owner, or is gone.
    ///
    /// - `damage`: told of what ends the file before its end.
    init?(adopting path: String, damage: (any Error, _ bytes: Int) -> Void) {
        descriptor = unsafe open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if descriptor < 0 { return nil }
        (self.path, isOrphan) = (path, true)
        var status = stat()
        // Its owner may have deleted it between our open and our lock.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, unsafe fstat(descriptor, &status) == 0,
            status.st_mode & S_IFMT == S_IFREG, status.st_nlink > 0
        else {
            _ = Self.close(descriptor)
            return nil
        }
        let size = Int(status.st_size)
        do {
            while end < size {
                let (batch, bytes) = try frame(at: end, before: size, place: nil)
                frames.append(Extent(bytes: bytes, records: batch.records, place: nil))
                records += batch.records
                end += bytes
            }
        } catch {
            damage(error, size - end)
        }
    }

    /// Adds a batch whole, or fails and adds nothing.
    mutating func append(_ frame: [UInt8], of batch: Batch) throws(IOError) {
        var written = 0
        while written < frame.count {
            let count = unsafe frame[written...].withUnsafeBytes { bytes in
                unsafe pwrite(descriptor, bytes.baseAddress, bytes.count, off_t(end + written))
            }
            if count < 0, errno != EINTR {
                let failure = Self.failure("write")
                ftruncate(descriptor, off_t(end))
                throw failure
            }
            written += max(0, count)
        }
        end += frame.count
        records += batch.records
        frames.append(Extent(bytes: frame.count, records: batch.records, place: batch.firstPlace))
    }

    /// The oldest batch, which stays.
    func first() throws -> Batch? {
        guard let first = frames.first else { return nil }
        return try frame(at: start, before: end, place: first.place).batch
    }

    /// Drops the oldest batch, if there is one; its bytes go with the file, or with `empty`.
    mutating func removeFirst() {
        guard let first = frames.popFirst() else { return }
        start += first.bytes
        records -= first.records
    }

    /// Whether `bytes` more make a file of at most `most`, which still has its name.
    func hasRoom(for bytes: Int, most: Int) -> Bool {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_nlink > 0 else { return false }
        return end == 0 || end + bytes <= most
    }

    /// Gives up all frames, and the bytes on disk.
    mutating func empty() throws(IOError) {
        frames.removeAll()
        records = 0
        start = end
        guard ftruncate(descriptor, 0) == 0 else { throw Self.failure("truncate") }
        (start, end) = (0, 0)
    }

    /// Waits until all is on disk.
    func sync() { fsync(descriptor) }

    /// Lets go of the file; what it holds is another process' from now on.
    func close() { _ = Self.close(descriptor) }

    /// Deletes the file.
    func remove() {
        unsafe unlink(path)
        close()
    }

    private func frame(at start: Int, before end: Int, place: Int?) throws -> (batch: Batch, bytes: Int) {
        let beginning = try read(min(SpoolFrame.maxHeaderBytes, end - start), at: start)
        let (header, length) = try SpoolFrame.header(in: beginning)
        guard (0...(end - start - length)).contains(header.bytes) else {
            throw SpoolFrame.Damage(description: "a frame that is torn")
        }
        let body = try read(header.bytes, at: start + length)
        let batch = try SpoolFrame.batch(header, body, firstPlace: place)
        return (isOrphan ? batch.withoutStarts() : batch, length + header.bytes)
    }

    private func read(_ count: Int, at offset: Int) throws -> [UInt8] {
        try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                // The buffer has room for what is asked for.
                let rest = unsafe UnsafeMutableBufferPointer(rebasing: buffer[filled...])
                let read = unsafe pread(descriptor, rest.baseAddress, rest.count, off_t(offset + filled))
                if read < 0, errno != EINTR { throw Self.failure("read") }
                if read == 0 { throw SpoolFrame.Damage(description: "a file that was cut") }
                filled += max(0, read)
            }
        }
    }

    private static func failure(_ what: String) -> IOError { IOError(errnoCode: errno, reason: what) }

    /// Out of reach of the method of this name.
    private static func close(_ descriptor: CInt) -> CInt {
        #if canImport(Darwin)
            Darwin.close(descriptor)
        #elseif canImport(Musl)
            Musl.close(descriptor)
        #else
            Glibc.close(descriptor)
        #endif
    }
}
