import Concurrency
import Glibc
import HTTP
import Testing

@Suite("Clients that vanish") struct VanishedClientTests {
    /// Requests that stop in the middle. libmicrohttpd reads the end of each without seeing it, as it comes together
    /// with the last bytes.
    private static let unfinished = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nx",
    ]

    /// Microseconds within which the server looks for clients that have gone.
    private static let nextLook: UInt32 = 1_200_000

    /// Leaves `count` unfinished requests behind.
    private func leave(_ request: String, count: Int, at address: String, of server: HTTPServer) throws {
        for _ in 0..<count {
            let wire = try Wire(to: address)
            wire.send(request)
        }
        // Their requests have begun, and none ends by itself.
        usleep(100_000)
    }

    @Test("their requests end soon", arguments: unfinished)
    func look(request: String) throws {
        try serving(ScriptedService()) { address, server in
            try leave(request, count: 10, at: address, of: server)
            #expect(eventually { server.requestsInFlight == 0 })
        }
    }

    @Test("a server that drains looks at once", arguments: unfinished)
    func drain(request: String) throws {
        try serving(ScriptedService()) { address, server in
            try leave(request, count: 10, at: address, of: server)
            server.drain()
            #expect(eventually { server.requestsInFlight == 0 })
        }
    }

    @Test("a client that has sent its whole request and only then ends its side is answered")
    func halfClosed() throws {
        let held = Locked<[any Answering]>([])
        let service = ScriptedService(handle: { exchange in
            let answering = exchange.answering
            held.withLock { $0.append(answering) }
        })
        try serving(service) { address, server in
            let wire = try Wire(to: address)
            wire.request("POST", "/", body: "x")
            wire.finish()
            #expect(eventually { held.withLock { $0.count } == 1 })
            usleep(Self.nextLook)
            for answering in held.withLock({ $0 }) { answering.answer(.text(200, "whole")) }
            #expect(wire.answer()?.body == "whole")
        }
    }

    @Test("a client that pauses within its request keeps its connection")
    func pausing() throws {
        try serving(ScriptedService()) { address, server in
            let wire = try Wire(to: address)
            wire.request("POST", "/", headers: ["Content-Length: 2"])
            wire.send("x")
            usleep(Self.nextLook)
            wire.send("y")
            #expect(wire.answer()?.body == "POST / xy")
        }
    }
}
