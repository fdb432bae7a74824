import Client
import LoopbackServer
import Testing

@Suite("HTTP client") struct HTTPClientTests {
    /// Echoes the body, with the status that the path names.
    static func echo() throws -> LoopbackServer {
        try LoopbackServer { .answer(status: Int($0.path.drop { $0 == "/" }) ?? 200, body: $0.body) }
    }

    /// The error of one GET, if any.
    static func failure(
        of url: String, path: String = "/", total: Duration = .seconds(10), answerLimitBytes: Int = 1 << 20
    ) -> HTTPClientError? {
        do {
            var client = try HTTPClient(baseURL: url, totalLimit: total, answerLimitBytes: answerLimitBytes)
            _ = try client.send("GET", path)
            return nil
        } catch {
            return error
        }
    }

    @Test("a post arrives with its method, path, headers and bytes, and the answer comes back as sent")
    func postIsExact() throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: server.url + "/")
        let body = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        let answer = try client.send(
            "POST", "/201", headers: [("X-Agent-Name", "Ärger"), ("X-Empty", "")], body: body)
        #expect(answer == HTTPAnswer(status: 201, body: body))
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.path == "/201")
        #expect(request.body == body)
        #expect(request.headers.contains("X-Agent-Name: Ärger"))
        #expect(request.headers.contains { $0.hasPrefix("X-Empty:") })
    }

    @Test("an empty body is a body, of length 0", arguments: ["POST", "PUT"])
    func emptyBody(method: String) throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: server.url)
        #expect(try client.send(method, "/", body: []).body == [])
        let request = try #require(server.requests.first)
        #expect(request.method == method)
        #expect(request.headers.contains("Content-Length: 0"))
    }

    @Test("HEAD ends with the headers, and the connection serves the next request")
    func head() throws {
        let server = try LoopbackServer { _ in .answer(status: 200, body: [1, 2, 3]) }
        var client = try HTTPClient(baseURL: server.url)
        #expect(try client.send("HEAD", "/").body == [])
        #expect(try client.send("GET", "/").body == [1, 2, 3])
        #expect(server.connectionCount == 1)
    }

    @Test("an error status is an answer, not an error", arguments: [400, 413, 422, 500, 503])
    func errorStatus(status: Int) throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: server.url)
        #expect(try client.send("POST", "/\(status)", body: [7]) == HTTPAnswer(status: status, body: [7]))
    }

    @Test("twenty requests share one connection, and no header or body of one leaks into the next")
    func keepsAlive() throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: server.url)
        for round in 0..<10 {
            #expect(try client.send("POST", "/", headers: [("X-Round", "\(round)")], body: [1, 2]).body == [1, 2])
            #expect(try client.send("GET", "/").body == [])
        }
        #expect(server.connectionCount == 1)
        let requests = server.requests
        #expect(requests.map(\.method) == (0..<20).map { $0.isMultiple(of: 2) ? "POST" : "GET" })
        #expect(requests.allSatisfy { ($0.method == "GET") == !$0.headers.contains { $0.hasPrefix("X-Round") } })
    }

    @Test("a refused connection names the URL and says how to start the exporter")
    func refused() throws {
        let url = "http://127.0.0.1:\(try LoopbackServer.closedPort())"
        let error = try #require(Self.failure(of: url, path: "/summary"))
        guard case .refused(url + "/summary", _) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(error.description.hasSuffix("is the exporter running? start it with `llm-exporter`"))
    }

    @Test("a silent server ends in a time-out after the limit, and the client can ask again")
    func timesOut() throws {
        let server = try LoopbackServer { $0.path == "/silent" ? .silence : .answer(status: 200, body: [9]) }
        var client = try HTTPClient(baseURL: server.url, totalLimit: .milliseconds(150))
        let clock = ContinuousClock()
        let waited = clock.measure {
            #expect(throws: HTTPClientError.timedOut(url: server.url + "/silent", limit: .milliseconds(150))) {
                try client.send("GET", "/silent")
            }
        }
        #expect(waited >= .milliseconds(149) && waited < .seconds(5))
        #expect(try client.send("GET", "/").body == [9])
    }

    @Test("an answer at the bound is taken; one byte more is an error")
    func answerBound() throws {
        let server = try LoopbackServer { _ in .answer(status: 200, body: Array(repeating: 65, count: 100_000)) }
        #expect(Self.failure(of: server.url, answerLimitBytes: 100_000) == nil)
        #expect(
            Self.failure(of: server.url, answerLimitBytes: 99_999)
                == .answerTooLarge(url: server.url + "/", limitBytes: 99_999))
    }

    @Test("a server that hangs up without a word is a failure, not an empty answer")
    func hangsUp() throws {
        let server = try LoopbackServer { _ in .hangUp }
        let error = try #require(Self.failure(of: server.url))
        guard case .failed(server.url + "/", _) = error else {
            Issue.record("\(error)")
            return
        }
    }

    @Test("user and password in the URL are sent, and never shown")
    func credentials() throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: "http://ada:secret@127.0.0.1:\(server.port)")
        _ = try client.send("GET", "/")
        #expect(server.requests.first?.headers.contains("Authorization: Basic YWRhOnNlY3JldA==") == true)
        #expect(client.shownURL == server.url)
    }

    @Test(
        "no error shows a user or a password, whatever is wrong with the address",
        arguments: [
            "http://ada:secret@127.0.0.1:1", "http://ada:s%65cret@127.0.0.1:1", "http://ada:a@secret@127.0.0.1:1",
            "http://ada:secret@[::1]:1", "http://secret@127.0.0.1:1", "http://ada:secret@nowhere.invalid",
            "https://ada:secret@127.0.0.1:1", "http://ada:secret@127.0.0.1:99999",
        ])
    func failures(url: String) throws {
        let shown = try #require(Self.failure(of: url)).description
        #expect(!shown.contains("cret") && !shown.contains("ada") && !shown.contains("@"), "\(shown)")
        #expect(shown.hasPrefix(try HTTPAddress(url).text + "/"))
    }

    @Test(
        "the variables of the environment are credentials; a user in the URL and a user before a token take precedence",
        arguments: [
            (["USERNAME": "ada", "PASSWORD": "secret"], "", "Basic YWRhOnNlY3JldA=="),
            (["USERNAME": "ada"], "", "Basic YWRhOg=="), (["TOKEN": "t0ken"], "", "Bearer t0ken"),
            (["USERNAME": "ada", "PASSWORD": "secret", "TOKEN": "t0ken"], "", "Basic YWRhOnNlY3JldA=="),
            (["USERNAME": "eve", "PASSWORD": "x"], "ada:secret@", "Basic YWRhOnNlY3JldA=="),
            (["USERNAME": "", "TOKEN": ""], "", nil), ([:], "", nil),
        ] as [([String: String], String, String?)])
    func environment(variables: [String: String], user: String, authorization: String?) throws {
        let server = try Self.echo()
        let named = variables.map { ("LLM_EXPORTER_" + $0.key, $0.value) }
        let access = HTTPAccess(environment: Dictionary(uniqueKeysWithValues: named))
        var client = try HTTPClient(baseURL: "http://\(user)127.0.0.1:\(server.port)", access: access)
        _ = try client.send("GET", "/")
        let request = try #require(server.requests.first)
        #expect(
            request.headers.filter { $0.hasPrefix("Authorization") }
                == (authorization.map { ["Authorization: \($0)"] } ?? []))
    }

    @Test("a line break in a header or path is refused: it would begin another line", arguments: ["\r\n", "\n", "\0"])
    func injection(lineBreak: String) throws {
        let server = try Self.echo()
        var client = try HTTPClient(baseURL: server.url)
        #expect(throws: HTTPClientError.invalidHeader(name: "X-A")) {
            try client.send("GET", "/", headers: [("X-A", "b" + lineBreak + "X-C: d")])
        }
        #expect(throws: HTTPClientError.self) { try client.send("GET", "/" + lineBreak) }
        #expect(server.requests.isEmpty)
    }
}
