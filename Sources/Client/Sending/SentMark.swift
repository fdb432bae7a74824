internal import FoundationEssentials
private import Glibc

/// How much of a file was sent, and to which address. It is kept beside the file, so that a later run continues from
/// there.
///
/// The key is the first part of the ids that records without an id get, so that a record that is sent twice counts
/// once.
struct SentMark: Codable {
    static let suffix = ".sent"

    let key: String
    /// Without user and password.
    let url: String
    /// Lines of one request. The ids count from where a request begins, so a later run uses the same number.
    let batch: Int
    /// The file's inode, which identifies a file of which nothing was sent yet: every file begins with no bytes.
    let inode: UInt64
    private var offset: Int
    private var lines: Int
    /// In hexadecimal.
    private var digest: String

    /// The end of what was acknowledged.
    var position: FilePosition {
        get { FilePosition(offset: offset, lines: lines, digest: UInt64(digest, radix: 16) ?? 0) }
        set {
            offset = newValue.offset
            lines = newValue.lines
            digest = String(newValue.digest, radix: 16)
        }
    }

    init(key: String, address: HTTPAddress, batch: Int, inode: UInt64, position: FilePosition) {
        self.key = key
        url = address.text
        self.batch = batch
        self.inode = inode
        offset = position.offset
        lines = position.lines
        digest = String(position.digest, radix: 16)
    }

    /// - Returns: `nil` if the file does not exist.
    static func read(_ path: String) throws(SendingError) -> SentMark? {
        // Safe: the path is lent as a C string for the call.
        if unsafe access(path, F_OK) != 0 && errno == ENOENT { return nil }
        let file = try InputFile(path: path)
        var bytes: [UInt8] = []
        while case let chunk = try file.read(), !chunk.isEmpty { bytes += chunk }
        guard let mark = try? JSONDecoder().decode(SentMark.self, from: Data(bytes)), mark.offset >= 0,
            (0...mark.offset).contains(mark.lines), UInt64(mark.digest, radix: 16) != nil,
            (1...100_000).contains(mark.batch), let address = try? HTTPAddress(mark.url)
        else {
            throw .unreadable("\(path): does not say how much was sent; remove it to send all of the file as new")
        }
        // Versions before 0.2 kept the URL as it was given, with a password in it.
        return SentMark(
            key: mark.key, address: address, batch: mark.batch, inode: mark.inode, position: mark.position)
    }

    /// Takes over the mark of a file that was renamed, as log rotation does: a mark in the same folder that belongs to
    /// this file's inode, while the file that it was written for is gone or is another one.
    ///
    /// - Parameter beginsWith: whether the file begins with what was sent; a new file may have the inode of a removed
    ///   one.
    /// - Returns: `nil` if there is none.
    static func ofRenamedFile(
        _ path: String, inode: UInt64, beginsWith: (FilePosition) throws(SendingError) -> Bool
    ) throws(SendingError) -> SentMark? {
        let folder = URL(filePath: path).deletingLastPathComponent().path
        // No mark can be found in a folder that cannot be listed.
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasSuffix(suffix) {
            let candidate = folder + "/" + name
            guard let sent = try? read(candidate), sent.inode == inode, sent.offset > 0,
                Self.inode(of: String(candidate.dropLast(suffix.count))) != inode,
                try beginsWith(sent.position)
            else { continue }
            // Safe: both paths are lent as C strings for the call.
            guard unsafe rename(candidate, path + suffix) == 0 else {
                throw .unwritable("\(candidate): cannot be renamed with its file: \(SendingError.reason(errno))")
            }
            return sent
        }
        return nil
    }

    /// - Returns: `nil` if there is no such file.
    private static func inode(of path: String) -> UInt64? {
        var status = stat()
        // Safe: the system writes into a local variable of the type that it expects.
        return unsafe stat(path, &status) == 0 ? UInt64(status.st_ino) : nil
    }

    /// Writes the whole mark or nothing, whenever the program ends. Only its owner may read it.
    func write(_ path: String) throws(SendingError) {
        let new = path + ".new"
        // Cannot fail: the members are texts and integers.
        guard let json = try? JSONEncoder().encode(self), Self.create(new, Array(json)), Self.move(new, to: path) else {
            let reason = SendingError.reason(errno)
            Self.remove(new)
            throw .unwritable(
                "\(path): cannot be written: \(reason); it keeps how much was sent: "
                    + "copy the file to a folder that you may write to, or send it from standard input")
        }
    }

    /// Writes a file that only its owner may read, also if a run that was killed left one that others may.
    ///
    /// - Returns: false with `errno` set if it cannot be written whole.
    private static func create(_ path: String, _ bytes: [UInt8]) -> Bool {
        remove(path)
        // Safe: the path is lent as a C string for the call.
        let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return false }
        var rest = bytes[...]
        while !rest.isEmpty {
            // Safe: the bytes are lent for the call, with their count.
            let written = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard written >= 0 || errno == EINTR else {
                let number = errno
                close(descriptor)
                errno = number
                return false
            }
            rest = rest.dropFirst(max(0, written))
        }
        return close(descriptor) == 0
    }

    /// - Returns: false with `errno` set if it fails.
    private static func move(_ path: String, to new: String) -> Bool {
        // Safe: both paths are lent as C strings for the call.
        unsafe rename(path, new) == 0
    }

    private static func remove(_ path: String) {
        // Safe: the path is lent as a C string for the call.
        unsafe _ = unlink(path)
    }
}
