import Glibc
import Testing

/// One connection to a server on loopback, byte by byte.
final class Wire {
    private let descriptor: Int32

    /// - Parameter address: `127.0.0.1:PORT`.
    init(to address: String) throws {
        let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        // A server that does not answer must fail the test, not hang it.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = unsafe withUnsafePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(descriptor, $0, size) }
        }
        try #require(result == 0, "connect")
    }

    deinit { close(descriptor) }

    /// Ends the sending side: no more of a request comes.
    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    func send(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let sent = unsafe bytes.withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            if sent <= 0 { return }
            bytes = bytes.dropFirst(sent)
        }
    }

    /// Sends a request with its Host, and a Content-Length if it has a body.
    func request(_ method: String, _ path: String, headers: [String] = [], body: String? = nil) {
        let length = body.map { ["Content-Length: \($0.utf8.count)"] } ?? []
        let lines = ["\(method) \(path) HTTP/1.1", "Host: test"] + headers + length
        send(lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? ""))
    }

    /// Reads one answer whose length is given; `nil` if the connection closed without one.
    func answer() -> Answer? {
        var text = ""
        while true {
            if let answer = Answer(text) { return answer }
            let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
                count = unsafe max(0, recv(descriptor, buffer.baseAddress, buffer.count, 0))
            }
            if chunk.isEmpty { return nil }
            text += String(decoding: chunk, as: UTF8.self)
        }
    }

    /// Whether the server has closed the connection, with nothing more to read.
    func isClosed() -> Bool {
        var byte: UInt8 = 0
        return unsafe recv(descriptor, &byte, 1, 0) == 0
    }

    struct Answer {
        let status: Int
        let head: String
        let body: String

        /// - Returns: `nil` until all of it is there. Interim answers are skipped.
        init?(_ text: String) {
            guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
            let head = String(text[..<end.lowerBound])
            guard let status = head.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else { return nil }
            if status < 200 {
                guard let answer = Answer(String(text[end.upperBound...])) else { return nil }
                self = answer
                return
            }
            let length = head.lowercased().split(separator: "\r\n").first { $0.hasPrefix("content-length: ") }
                .flatMap { Int($0.dropFirst("content-length: ".count)) }
            let body = String(text[end.upperBound...])
            guard status == 204 || body.utf8.count >= length ?? 0 else { return nil }
            self.status = status
            self.head = head
            self.body = body
        }
    }
}
