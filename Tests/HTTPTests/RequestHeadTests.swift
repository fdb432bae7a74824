import Concurrency
import Dispatch
import Glibc
import HTTP
import Testing

@Suite("The head of a request") struct RequestHeadTests {
    /// Tells the fault, and closes.
    private static let telling = ScriptedService(open: { exchange in
        var response = Response.text(400, exchange.fault.map { "\($0)" } ?? "none")
        response.closesConnection = true
        exchange.answering.answer(response)
    })

    /// A whole request with a body of one byte. In arguments `␀` stands for a zero byte: it would end the log's line.
    private static func post(
        _ headers: String..., line: String = "POST /a HTTP/1.1", lineEnd: String = "\r\n"
    ) -> String {
        ([line, "Host: a"] + headers).joined(separator: lineEnd) + lineEnd + lineEnd + "x"
    }

    @Test(
        "a length that is no number is a fault, answered once",
        arguments: ["+1", "-1", "0x1", "1, 1", "", "1x", "1 1", "1.0", "1 ", "\u{661}"])
    func malformedLength(value: String) throws {
        try expect("malformedLength", of: Self.post("Content-Length: \(value)"))
    }

    @Test("a length beyond all integers is a body that is too large", arguments: ["18446744073709551616", "9" * 40])
    func hugeLength(value: String) throws {
        try expect("bodyTooLarge", of: Self.post("Content-Length: \(value)"))
    }

    @Test("cookies that libmicrohttpd cannot hold are headers that are too large")
    func cookies() throws {
        try expect("headersTooLarge", of: Self.post("Content-Length: 1", "Cookie: " + "name=value; " * 1500))
    }

    @Test(
        "HTTP/1.1 needs one Host, which is one",
        arguments: [
            "GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX: y\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        ])
    func host(request: String) throws {
        try expect("contradictoryHost", of: request)
    }

    @Test(
        "zero bytes, bare carriage returns, folded lines and mixed line ends are faults",
        arguments: [
            post("Content-Length: 1", "X: a␀b"), post("Content-Length: 1", "X: ab␀"),
            post("X: a␀b", "Content-Length: 1"), post("Content-Length: 1", "X: ␀"),
            post("Content-Length: 1", "␀Transfer-Encoding: chunked"), post("Content-Length: 1", "X: a\rb"),
            post("Content-Length: 1", "X: a\r"), post("Content-Length: 1", "X\r: a"),
            post("Content-Length: 1", "X: a\r\n b"), post("Content-Length: 1", "X: a\r\n\tb", "Y: c"),
            post("Content-Length: 1", "X: a\nTransfer-Encoding: chunked"), post("Content-Length: 1", ": a"),
            post("Content-Length: 1", "X Y: a"), post("Content-Length: 1", line: "POST /a␀b HTTP/1.1"),
            post("Content-Length: 1", line: "PO␀ST /a HTTP/1.1"), post("Content-Length: 1", line: "P(ST /a HTTP/1.1"),
            post("Content-Length: 1", "X: a␀", lineEnd: "\n"), "GET / HTTP/1.0\r\n\n",
        ])
    func malformed(request: String) throws {
        try expect("malformed", of: request)
    }

    @Test(
        "a target is a path, a whole URI of http or https, or an asterisk",
        arguments: ["a", "a:80", "ftp://a/", "http://", "http:///a", "http://u@a/", "http://a b/", "/a\rb", "/a b"])
    func malformedTarget(target: String) throws {
        try expect("malformedTarget", of: Self.post("Content-Length: 1", line: "POST \(target) HTTP/1.1"))
    }

    /// Whether one whole answer with this fault comes before the connection closes.
    private func expect(_ fault: String, of request: String, _ location: SourceLocation = #_sourceLocation) throws {
        try serving(Self.telling) { address, server in
            let wire = try Wire(to: address)
            wire.send(request.replacing("␀", with: "\0"))
            let answer = try #require(wire.answer(), sourceLocation: location)
            #expect(answer.body == fault, sourceLocation: location)
            #expect(
                answer.head.split(separator: "\r\n").count { $0.lowercased() == "connection: close" } == 1,
                sourceLocation: location)
            #expect(wire.isClosed(), sourceLocation: location)
            #expect(eventually { server.requestsInFlight == 0 }, sourceLocation: location)
        }
    }

    @Test("lines that end in LF alone are taken, and so is white space around a value")
    func tolerated() throws {
        try serving(ScriptedService()) { address, _ in
            for request in [
                Self.post("Content-Length: 1", lineEnd: "\n"), Self.post("Content-Length: \t 1", "X:", "Y: \t"),
            ] {
                let wire = try Wire(to: address)
                wire.send(request)
                #expect(wire.answer()?.body == "POST /a x")
            }
        }
    }

    @Test("a head that arrives byte by byte is the same head")
    func piecemeal() throws {
        try serving(Self.telling) { address, _ in
            for (request, fault) in [
                (Self.post("Content-Length: +1"), "malformedLength"), (Self.post("X: a␀b"), "malformed"),
                (Self.post("Content-Length: 1"), "none"),
            ] {
                let wire = try Wire(to: address)
                for character in request.replacing("␀", with: "\0").unicodeScalars {
                    wire.send(String(character))
                    usleep(200)
                }
                #expect(wire.answer()?.body == fault)
            }
        }
    }

    @Test(
        "a whole URI is asked for by its path and query; its host goes before Host",
        arguments: [
            ("http://b:1/record", "/record b:1 -"), ("HTTP://b/a%20b?q=1", "/a b b 1"),
            ("https://[::1]:2", "/ [::1]:2 -"),
            ("http://b?q=http://c/", "/ b http://c/"), ("http://b/http://c/", "/http://c/ b -"),
            ("/http://b/", "/http://b/ a -"), ("*", "* a -"),
        ])
    func wholeURI(target: String, seen: String) throws {
        let service = ScriptedService(handle: { exchange in
            let said = "\(exchange.path) \(exchange.header("Host") ?? "-") \(exchange.query("q") ?? "-")"
            exchange.answering.answer(.text(200, said))
        })
        try serving(service) { address, _ in
            let wire = try Wire(to: address)
            // Twice on one connection: nothing of the first request is left.
            for _ in 0..<2 {
                wire.send("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(wire.answer()?.body == seen)
            }
            wire.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(wire.answer()?.body == "/b a -")
        }
    }

    @Test("several lines of a list are one list; of a header that is none, the first counts and the repetition shows")
    func lines() throws {
        let service = ScriptedService(handle: { exchange in
            let list = exchange.list("Accept") ?? "-"
            exchange.answering.answer(
                .text(200, "\(list)|\(exchange.header("Accept") ?? "-")|\(exchange.repeatedHeader ?? "-")"))
        })
        try serving(service) { address, _ in
            for (headers, seen) in [
                ([], "-|-|-"), (["Accept: a"], "a|a|-"), (["Accept: a, b", "X: y", "ACCEPT: c"], "a, b,c|a, b|-"),
                (["Accept:", "Accept: a"], ",a||-"), (["Content-Type: a", "content-type: a"], "-|-|Content-Type"),
                (["Authorization: a", "Authorization: b"], "-|-|Authorization"),
                (["X-Agent-Name: a", "X-Agent-Name: b"], "-|-|X-Agent-Name"),
                (["Idempotency-Key: a", "X: y", "Idempotency-key: a"], "-|-|Idempotency-Key"),
            ] {
                let wire = try Wire(to: address)
                wire.request("GET", "/", headers: headers)
                #expect(wire.answer()?.body == seen)
            }
        }
    }

    @Test("a request that libmicrohttpd refuses is safe with a service that decides otherwise, or late")
    func otherDecisions() throws {
        let held = Locked<[any Answering]>([])
        let decisions: [@Sendable (borrowing Exchange) -> Void] = [
            { $0.answering.proceed(.read) }, { $0.answering.abandon() }, { _ in },
            { exchange in
                let answering = exchange.answering
                held.withLock { $0.append(answering) }
            },
        ]
        for (place, decide) in decisions.enumerated() {
            try serving(ScriptedService(open: decide)) { address, server in
                let wire = try Wire(to: address)
                wire.send(Self.post("Content-Length: +1"))
                #expect(wire.answer()?.status == (place == 2 ? 500 : nil))
                for answering in held.withLock({ $0 }) { answering.answer(.text(400, "too late")) }
                #expect(eventually { server.requestsInFlight == 0 })
            }
        }
    }
}

private func * (text: String, count: Int) -> String { String(repeating: text, count: count) }
