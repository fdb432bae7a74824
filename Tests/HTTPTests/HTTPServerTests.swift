import Concurrency
import Dispatch
import Glibc
import HTTP
import Testing

@Suite("The server") struct HTTPServerTests {
    @Test("a request reaches the service with its body, and its answer the client")
    func echo() throws {
        try serving(ScriptedService()) { address, _ in
            let wire = try Wire(to: address)
            wire.request("POST", "/a%20b?x=1", body: "hello")
            #expect(wire.answer()?.body == "POST /a b hello")
            // The connection is kept.
            wire.request("GET", "/second")
            #expect(wire.answer()?.body == "GET /second ")
        }
    }

    @Test("headers and arguments are read by name; repeated and broken ones are visible")
    func details() throws {
        let service = ScriptedService(handle: { exchange in
            let query = "\(exchange.queryCount) \(exchange.query("a") ?? "-") \(exchange.query("b") ?? "-")"
            exchange.answering.answer(.text(200, "\(exchange.header("X-Name") ?? "-") \(query)"))
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/?a=%C3%A9&b=%FF&c", headers: ["x-NAME: value"])
            #expect(wire.answer()?.body == "value 3 é -")
        }
    }

    @Test("names and values of the query with a zero byte are empty", arguments: ["a%00=1", "a=1%002", "a%00x=1"])
    func zeroBytes(query: String) throws {
        let service = ScriptedService(handle: { exchange in
            exchange.answering.answer(.text(200, "\(exchange.queryCount) \(exchange.query("a") ?? "-")"))
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/?\(query)")
            #expect(wire.answer()?.body == (query.hasPrefix("a=") ? "1 " : "1 -"))
        }
    }

    @Test("an answer may come later, from another thread, at both stages")
    func later() throws {
        let service = ScriptedService(
            open: { exchange in
                let answering = exchange.answering
                DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { answering.proceed(.read) }
            },
            handle: { exchange in
                let answering = exchange.answering
                DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { answering.answer(.text(200, "late")) }
            })
        try serving(service) { address, _ in
            for _ in 0..<5 {
                let wire = try Wire(to: address)
                wire.request("POST", "/", body: "x")
                #expect(wire.answer()?.body == "late")
            }
        }
    }

    /// Connections wait in their place for 20 ms, and are suspended then.
    @Test("an answer that comes about when the connection is suspended does not wait")
    func aboutSuspension() throws {
        // With a thread of its own: other tests keep those of the global queue.
        let queue = DispatchQueue(label: "answers")
        let answered = Locked(ContinuousClock.now)
        let service = ScriptedService(handle: { exchange in
            let answering = exchange.answering
            let delay = Int(exchange.path.dropFirst()) ?? 0
            queue.asyncAfter(deadline: .now() + .microseconds(delay)) {
                answered.withLock { $0 = .now }
                answering.answer(.text(200, "late"))
            }
        })
        try serving(service) { address, _ in
            let wires = try (0..<4).map { _ in try Wire(to: address) }
            for round in 0..<40 {
                for (number, wire) in wires.enumerated() {
                    wire.request("POST", "/\(16_000 + 300 * round + 70 * number)", body: "x")
                }
                for wire in wires { #expect(wire.answer()?.body == "late") }
                // The next look at late connections would send it, too.
                #expect(answered.withLock { .now - $0 } < .milliseconds(700))
            }
        }
    }

    @Test("a request that is refused when it opens never reaches the handler; the connection can be used again")
    func refused() throws {
        let service = ScriptedService(
            open: { $0.answering.answer(.text(401, "no")) },
            handle: { _ in
                Issue.record("a refused request was handled")
            })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            for body in [nil, "small", String(repeating: "x", count: 100_000)] {
                wire.request("POST", "/", body: body)
                #expect(wire.answer()?.status == 401)
            }
        }
    }

    @Test("a refusal may come later, too")
    func refusedLater() throws {
        let service = ScriptedService(open: { exchange in
            let answering = exchange.answering
            DispatchQueue.global().asyncAfter(deadline: .now() + 0.02) { answering.answer(.text(403, "no")) }
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("POST", "/", body: "x")
            #expect(wire.answer()?.status == 403)
        }
    }

    @Test("a client that waits for permission to send a refused body is answered at once")
    func expectation() throws {
        try serving(ScriptedService(open: { $0.answering.answer(.text(401, "no")) })) { address, _ in
            let wire = try Wire(to: address)
            wire.request("POST", "/", headers: ["Content-Length: 5000", "Expect: 100-continue"])
            #expect(wire.answer()?.status == 401)
        }
    }

    @Test("a body that is discarded is not kept, and the request is handled")
    func discarded() throws {
        try serving(ScriptedService(open: { $0.answering.proceed(.discard) })) { address, _ in
            let wire = try Wire(to: address)
            wire.request("POST", "/", body: String(repeating: "x", count: 50_000))
            #expect(wire.answer()?.body == "POST / ")
        }
    }

    @Test("a body over the limit is a fault, whether its length is declared or shows")
    func limits() throws {
        try serving(ScriptedService(), bodyLimitBytes: 10) { address, _ in
            let declared = try Wire(to: address)
            declared.request("POST", "/", body: String(repeating: "x", count: 11))
            #expect(declared.answer()?.body == "bodyTooLarge")
            let chunked = try Wire(to: address)
            chunked.request("POST", "/", headers: ["Transfer-Encoding: chunked"])
            chunked.send("b\r\nxxxxxxxxxxx\r\n0\r\n\r\n")
            #expect(chunked.answer()?.body == "bodyTooLarge")
            let fitting = try Wire(to: address)
            fitting.request("POST", "/", body: String(repeating: "x", count: 10))
            #expect(fitting.answer()?.status == 200)
        }
    }

    @Test(
        "requests that two readers would read differently are faults",
        arguments: [
            (["Content-Length: 1", "Content-Length: 1"], "contradictoryLength"),
            (["Content-Length: 1", "Transfer-Encoding: chunked"], "contradictoryLength"),
            (["Transfer-Encoding: gzip"], "contradictoryLength"), (["Host: other"], "contradictoryHost"),
        ])
    func framing(headers: [String], fault: String) throws {
        let service = ScriptedService(open: { exchange in
            var response = Response.text(400, exchange.fault.map { "\($0)" } ?? "none")
            // Where such a body ends is not known, so that no more of the connection can be read.
            response.closesConnection = true
            exchange.answering.answer(response)
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("POST", "/", headers: headers)
            #expect(wire.answer()?.body == fault)
        }
    }

    @Test("an exchange that is dropped undecided is answered 500, at both stages")
    func dropped() throws {
        try serving(ScriptedService(open: { _ in })) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer()?.status == 500)
        }
        try serving(ScriptedService(handle: { _ in })) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer()?.status == 500)
        }
    }

    @Test("an abandoned exchange closes without an answer")
    func abandoned() throws {
        try serving(ScriptedService(handle: { $0.answering.abandon() })) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer() == nil)
        }
    }

    @Test("only the first decision of a stage counts")
    func once() throws {
        let service = ScriptedService(handle: { exchange in
            exchange.answering.answer(.text(200, "first"))
            exchange.answering.answer(.text(500, "second"))
            exchange.answering.abandon()
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer()?.body == "first")
        }
    }

    @Test("a body that several answers share reaches each client")
    func shared() throws {
        let body = try #require(SharedBody(Array("shared".utf8)))
        let service = ScriptedService(handle: { exchange in
            var response = Response(status: 200)
            response.sharedBody = body
            exchange.answering.answer(response)
        })
        try serving(service) { address, _ in
            for _ in 0..<3 {
                let wire = try Wire(to: address)
                wire.request("GET", "/")
                #expect(wire.answer()?.body == "shared")
            }
        }
    }

    @Test("work that handlers gather is done by flush, before connections are suspended")
    func flush() throws {
        let gathered = Locked<[any Answering]>([])
        let service = ScriptedService(
            flush: {
                for answering in gathered.withLock({ all in
                    defer { all = [] }
                    return all
                }) {
                    answering.answer(.text(200, "flushed"))
                }
            },
            handle: { exchange in
                let answering = exchange.answering
                gathered.withLock { $0.append(answering) }
            })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer()?.body == "flushed")
        }
    }

    @Test("a server that drains marks requests and closes their connections; one that stops ends all")
    func draining() throws {
        let service = ScriptedService(open: { exchange in
            exchange.answering.answer(Response.text(200, exchange.fault.map { "\($0)" } ?? "none"))
        })
        try serving(service) { address, server in
            let wire = try Wire(to: address)
            wire.request("GET", "/")
            #expect(wire.answer()?.body == "none")
            server.drain()
            wire.request("GET", "/")
            let answer = wire.answer()
            #expect(answer?.body == "draining")
            #expect(answer?.head.lowercased().contains("connection: close") == true)
            #expect(wire.isClosed())
        }
    }

    @Test("a client that leaves while its answer is made harms nothing: the exchange ends when the answer comes")
    func vanished() throws {
        let held = Locked<[any Answering]>([])
        let service = ScriptedService(handle: { exchange in
            let answering = exchange.answering
            held.withLock { $0.append(answering) }
        })
        try serving(service) { address, server in
            for _ in 0..<8 {
                let wire = try Wire(to: address)
                wire.request("POST", "/", body: "x")
            }
            let limit = ContinuousClock.now + .seconds(20)
            while held.withLock({ $0.count }) < 8, .now < limit { usleep(1000) }
            let all = held.withLock { $0 }
            #expect(all.count == 8)
            for answering in all { answering.answer(.text(200, "too late")) }
        }
    }

    @Test("a taken port is named as such")
    func taken() throws {
        let socket = try ListeningSocket(host: "127.0.0.1", port: 0)
        let port = try #require(socket.address.split(separator: ":").last.flatMap { UInt16($0) })
        #expect(throws: HTTPServerError.self) { try ListeningSocket(host: "127.0.0.1", port: port) }
    }

    @Test("faults have the numbers of the shim, whose 0 is none")
    func faults() {
        #expect(RequestFault.allCases.map(\.rawValue) == Array(1...12))
    }

    @Test(
        "a client that speaks HTTP/2 is refused and counted; another version or a bad line is not HTTP/2",
        arguments: [
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 1), ("PRI * HTTP/2.0\r\n", 505, 1),
            ("GET / HTTP/3.0\r\n\r\n", 505, 1), ("GET / HTTP/0.9\r\n\r\n", 505, 0),
            ("GET / HTTQ/2.0\r\n\r\n", 400, 0),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", 200, 0),
        ])
    func http2(opening: String, status: Int, count: Int) throws {
        let service = ScriptedService()
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            wire.send(opening)
            #expect(wire.answer()?.status == status)
            #expect(service.refusedHTTP2Count == count)
            // Other clients are served.
            let other = try Wire(to: address)
            other.request("GET", "/")
            #expect(other.answer()?.status == 200)
        }
    }
}
