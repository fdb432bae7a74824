import Glibc
import Testing

/// The socket of a service manager: a unix datagram socket that `NOTIFY_SOCKET` names.
struct NotifySocket {
    /// The value of `NOTIFY_SOCKET`.
    let name: String
    private let descriptor: Int32

    /// - Parameter isAbstract: whether it lies in the abstract namespace; else it is a file in /tmp.
    init(isAbstract: Bool) throws {
        let suffix = "llm-exporter-notify-\(getpid())-\(UInt64.random(in: .min ... .max))"
        name = isAbstract ? "@" + suffix : "/tmp/" + suffix
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        try #require(descriptor >= 0)
        // The address of an abstract socket begins with a zero byte and ends with its last character.
        let path = isAbstract ? [0] + Array(suffix.utf8) : Array(name.utf8) + [0]
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        try #require(path.count <= MemoryLayout.size(ofValue: address.sun_path))
        let descriptor = descriptor
        // Safe: the path fits, as checked above, and the address outlives the call, which gets its size.
        let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe withUnsafeMutableBytes(of: &pointer.pointee.sun_path) { unsafe $0.copyBytes(from: path) }
            let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
            return unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(descriptor, $0, length)
            }
        }
        try #require(bound == 0)
        var patience = timeval(tv_sec: 10, tv_usec: 0)
        // Safe: the value is of the size that is given with it.
        let limited = unsafe setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        try #require(limited == 0)
    }

    /// The next message.
    func receive() throws -> String {
        var bytes = [UInt8](repeating: 0, count: 4096)
        // Safe: the array is as long as the count that is given with it.
        let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
        try #require(count >= 0, "no message came")
        return String(decoding: bytes[..<count], as: UTF8.self)
    }

    /// Removes the socket from the file system and closes it.
    func remove() {
        // Safe: the path is lent as a C string for the call.
        unsafe unlink(name)
        close(descriptor)
    }
}
