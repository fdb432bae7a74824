import Access
import Concurrency
import Foundation
import HTTP
import Testing

@testable import Service

/// Tokens are `record-token`, `scrape-token` and `admin-token`; the passwords of `ann` and `root` are `secret`.
private let guarded = """
    basic_auth_users:
      ann: $2y$04$29VbwzVXpFAb8dovqNpReOzStr46zeJ6fZy4chuU1Sx.M7LEup.OG
      root: $2y$04$29VbwzVXpFAb8dovqNpReOzStr46zeJ6fZy4chuU1Sx.M7LEup.OG
    user_scopes: {root: [admin]}
    bearer_tokens:
      - {name: r, sha256: 4015d2e41e217dc04dade99cd637f0acce2e9016fb21ce6c88af8f47f868f890, scopes: [record]}
      - {name: s, sha256: 41369aae32e5cc50e94b626f9f49cef39b6a57243708bcaa06662f19bdae5483, scopes: [scrape]}
      - {name: a, sha256: 10a4c7c9fc5206d6f36dc6944a81bb6f4a3cb0e25014ae3b12e6c3e52712292a, scopes: [admin]}
    http_server_config: {headers: {X-Frame-Options: deny}}
    """

private func basic(_ user: String, _ password: String) -> String {
    "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
}

@Suite("Access") struct WebAccessTests {
    /// Each credential with the scopes that it has; `nil` is a stranger.
    private static let credentials: [(header: String?, scopes: Set<Scope>?)] = [
        (nil, nil), ("Bearer record-token", [.record]), ("Bearer scrape-token", [.scrape]),
        ("Bearer admin-token", [.admin]), ("Bearer wrong", nil), ("Bearer ", nil), ("Digest x", nil),
        ("Bearer record-token\0", nil), ("Bearer admin-token\0x", nil),
        (basic("ann", "secret"), [.record, .scrape]), (basic("root", "secret"), [.admin]),
        (basic("ann", "wrong"), nil), (basic("nobody", "secret"), nil), ("Basic not base64", nil),
    ]

    /// Each route with the scopes of docs/securing.md; `nil` if anyone may ask.
    private static let routes: [(method: String, path: String, scopes: Set<Scope>?)] = [
        ("POST", "/record", [.record]), ("POST", "/litellm", [.record]), ("POST", "/v1/traces", [.record]),
        ("POST", "/v1/metrics", [.record]), ("POST", "/v1/logs", [.record]), ("GET", "/metrics", [.scrape]),
        ("GET", "/summary", [.scrape]), ("GET", "/", [.scrape]), ("GET", "/api/v1/budgets", [.record, .scrape]),
        ("GET", "/api/v1/budgets/x", [.record, .scrape]), ("POST", "/-/reload", [.admin]),
        ("GET", "/api/v1/rejections", [.scrape]), ("POST", "/api/v1/admin/reset", [.admin]),
        ("POST", "/api/v1/admin/forget", [.admin]),
        ("GET", "/-/healthy", nil), ("GET", "/-/ready", nil),
    ]

    @Test("each route asks each credential for its scope, before the body is read")
    func matrix() throws {
        try Self.checkMatrix(ServiceUnderTest(web: guarded).service, "")
    }

    @Test(
        "a path that ends in that of a signal needs its scope, too",
        arguments: ["/v1/traces", "/otel/v1/traces", "/api/public/otel/v1/metrics", "/x/v1/logs"],
        [(nil, 401), ("record", 200), ("scrape", 403), ("admin", 403)] as [(String?, Int)])
    func otherPaths(path: String, access: (token: String?, status: Int)) throws {
        var headers = ["Content-Type": "application/json"]
        if let token = access.token { headers["Authorization"] = "Bearer \(token)-token" }
        #expect(try ServiceUnderTest(web: guarded).post(path, "{}", headers: headers).status == access.status)
    }

    /// What a reload may find in the file, as an editor or a script leaves it, and whether it is taken. Each refused one
    /// would let strangers in.
    private static let reloads: [(name: String, text: String, isTaken: Bool)] = [
        ("the same", guarded, true), ("empty", "", false), ("white space", " \n\n", false),
        ("comments alone", "# users come here\n", false), ("an empty document", "---\n", false),
        ("null", "null\n", false), ("an empty mapping", "{}\n", false),
        ("users without users", "basic_auth_users:\n", false), ("no users", "basic_auth_users: {}\n", false),
        ("no tokens", "bearer_tokens: []\n", false), ("neither", "basic_auth_users:\nbearer_tokens:\n", false),
        ("headers alone", "http_server_config: {headers: {X-Frame-Options: deny}}\n", false),
        ("users cut off", String(guarded.prefix(40)), false), ("scopes cut off", cut(after: "user_scopes:"), false),
        ("no scopes", guarded.replacing("{root: [admin]}", with: "{}"), false),
        ("cut off before the scopes", cut(before: "user_scopes:"), false),
        ("a user without its scopes", guarded.replacing("{root: [admin]}", with: "{ann: [record, scrape]}"), false),
        ("not YAML", "basic_auth_users: [", false), ("another key", "basic_auth_user: {}\n", false),
    ]

    /// `guarded` up to a text.
    private static func cut(after text: String) -> String {
        guarded.range(of: text).map { String(guarded[..<$0.upperBound]) } ?? ""
    }

    private static func cut(before text: String) -> String {
        guarded.range(of: text).map { String(guarded[..<$0.lowerBound]) } ?? ""
    }

    @Test("whatever a reload finds in the file, each route asks each credential for its scope as before")
    func reloads() throws {
        let path = try ServiceUnderTest.file(guarded)
        let service = try ServiceUnderTest(webFile: path)
        for reload in Self.reloads {
            try Data(reload.text.utf8).write(to: URL(filePath: path))
            let answer = try service.post("/-/reload", headers: ["Authorization": "Bearer admin-token"])
            #expect(answer.status == (reload.isTaken ? 200 : 500), "\(reload.name)")
            #expect(answer.text.contains(path) != reload.isTaken, "\(reload.name)")
            try Self.checkMatrix(service.service, "after \(reload.name): ")
        }
        // The file was removed, and then it is as it was.
        try FileManager.default.removeItem(atPath: path)
        #expect(try service.post("/-/reload", headers: ["Authorization": "Bearer admin-token"]).status == 500)
        try Self.checkMatrix(service.service, "without the file: ")
        try Data(guarded.utf8).write(to: URL(filePath: path))
        #expect(try service.post("/-/reload", headers: ["Authorization": "Bearer admin-token"]).status == 200)
        try Self.checkMatrix(service.service, "after all: ")
    }

    private static func checkMatrix(_ service: Service, _ moment: String) throws {
        #expect(routes.count == Routes.table(telemetryPath: "/metrics").count)
        for route in routes {
            for credential in credentials {
                let exchange = ExchangeDouble(
                    route.method, route.path, headers: credential.header.map { ["Authorization": $0] } ?? [:])
                service.open(Exchange(exchange))
                let decision = try exchange.decision()
                let comment: Comment = "\(moment)\(route.method) \(route.path) with \(credential.header ?? "nothing")"
                switch (route.scopes, credential.scopes, decision) {
                case (nil, _, .proceeded): break
                case (let needed?, let held?, .proceeded): #expect(!needed.isDisjoint(with: held), comment)
                case (let needed?, let held?, .answered(let response)):
                    #expect(needed.isDisjoint(with: held), comment)
                    #expect(response.status == 403, comment)
                case (_?, nil, .answered(let response)):
                    #expect(response.status == 401, comment)
                    #expect(response.header("WWW-Authenticate") != nil, comment)
                default: Issue.record("wrong decision: \(comment)")
                }
            }
        }
    }

    @Test("a configuration that no one put in force twice: what turned authentication on stays, in whatever order")
    func overlappingReloads() throws {
        let path = try ServiceUnderTest.file("http_server_config: {headers: {X-Frame-Options: deny}}")
        let access = try WebAccess(path: path)
        let open = try access.candidate()
        try Data(guarded.utf8).write(to: URL(filePath: path))
        try access.use(access.candidate())
        #expect(throws: (any Error).self) { try access.use(open) }
        #expect(access.authenticates)
    }

    @Test("a path that leads nowhere tells strangers nothing")
    func unknownPaths() throws {
        let service = try ServiceUnderTest(web: guarded)
        #expect(try service.get("/nowhere").status == 401)
        #expect(try service.get("/nowhere", headers: ["Authorization": "Bearer record-token"]).status == 404)
    }

    @Test("configured headers are on every answer, refusals included")
    func headers() throws {
        let service = try ServiceUnderTest(web: guarded)
        #expect(try service.get("/-/healthy").header("X-Frame-Options") == "deny")
        #expect(try service.get("/metrics").header("X-Frame-Options") == "deny")
    }

    @Test("without users and tokens everyone is let in")
    func open() throws {
        let service = try ServiceUnderTest(web: "http_server_config: {headers: {X-Frame-Options: deny}}")
        let answer = try service.get("/metrics")
        #expect(answer.status == 200)
        #expect(answer.header("X-Frame-Options") == "deny")
    }

    @Test("a reload swaps rules and headers; until then the old ones of both are in force")
    func reload() throws {
        let path = try ServiceUnderTest.file(guarded)
        let access = try WebAccess(path: path)
        func passes(_ token: String) -> Bool {
            let passed = Locked(false)
            // Tokens are compared within the call.
            access.judge("Bearer " + token, needing: [.record], from: { "192.0.2.1" }) { decision in
                passed.withLock { $0 = (try? decision.get()) != nil }
            }
            return passed.withLock { $0 }
        }
        let other = guarded.replacing("deny", with: "sameorigin").replacing(
            "scopes: [scrape]", with: "scopes: [record]")
        try Data(other.utf8).write(to: URL(filePath: path))
        let candidate = try access.candidate()
        #expect(access.headers.map(\.value) == ["deny"])
        #expect(!passes("scrape-token"))
        try access.use(candidate)
        #expect(access.headers.map(\.value) == ["sameorigin"])
        #expect(passes("scrape-token"))
    }

    @Test("a wrong file is refused with its name and line; what was in force stays")
    func wrongFile() throws {
        let path = try ServiceUnderTest.file(guarded)
        let access = try WebAccess(path: path)
        try Data("bearer_tokens:\n  - {name: x}\n".utf8).write(to: URL(filePath: path))
        #expect(throws: (any Error).self) { try access.candidate() }
        #expect(access.authenticates)
    }

    @Test("requests that wait for a password check are refused when the exporter stops, each once")
    func stop() throws {
        // Each comparison takes tens of milliseconds, one after the other: the last ones wait when the stop comes.
        let service = try ServiceUnderTest(web: guarded.replacing("$2y$04$", with: "$2y$10$")).service
        let exchanges = (0..<12).map { number in
            ExchangeDouble("GET", "/metrics", headers: ["Authorization": basic("ann", "wrong \(number)")])
        }
        for exchange in exchanges { service.open(Exchange(exchange)) }
        service.web?.stop()
        let statuses = try exchanges.map { exchange -> Int? in
            guard case .answered(let response) = try exchange.decision() else { return nil }
            return response.status
        }
        #expect(statuses.allSatisfy { $0 == 401 || $0 == 429 })
        #expect(statuses.last == 429)
    }

    @Test("a new password from elsewhere is checked in spite of a flood of wrong ones")
    func flood() throws {
        // Each comparison takes tens of milliseconds.
        let service = try ServiceUnderTest(web: guarded.replacing("$2y$04$", with: "$2y$10$")).service
        func ask(_ user: String, _ password: String, from peer: String) -> ExchangeDouble {
            let exchange = ExchangeDouble(
                "GET", "/metrics", headers: ["Authorization": basic(user, password)], peer: peer)
            service.open(Exchange(exchange))
            return exchange
        }
        let flood = (0..<40).map { ask("ann", "wrong \($0)", from: "192.0.2.7") }
        let other = ask("ann", "wrong all the same", from: "192.0.2.8")
        guard case .answered(let answer) = try other.decision() else {
            Issue.record("a wrong password was let in")
            return
        }
        // Compared, where the flood's own last ones found no place.
        #expect(answer.status == 401)
        let statuses = try flood.map { exchange -> Int? in
            guard case .answered(let response) = try exchange.decision() else { return nil }
            return response.status
        }
        #expect(statuses.count { $0 == 429 } >= 40 - PasswordQueue.networkLimit - 1)
        #expect(statuses.contains(401))
    }

    @Test("networks take turns, each with places of its own; if there are too many, the longest line loses its last")
    func passwordQueue() throws {
        var queue = PasswordQueue()
        func check(_ user: String) throws -> PasswordQueue.Check {
            let digest = try #require(CredentialDigest(sha256: Array(user.utf8)))
            return PasswordQueue.Check(user: user, password: "", digest: digest)
        }
        for number in 0..<PasswordQueue.networkLimit { #expect(try queue.add(check("a\(number)"), from: "A") == nil) }
        #expect(try queue.add(check("a too many"), from: "A")?.user == "a too many")
        #expect(try queue.add(check("b0"), from: "B") == nil)
        #expect(try queue.add(check("b1"), from: "B") == nil)
        #expect((0..<5).map { _ in queue.next()?.check.user } == ["a0", "b0", "a1", "b1", "a2"])
        for number in 0..<51 { #expect(try queue.add(check("n\(number)"), from: "\(number)") == nil) }
        #expect(try queue.add(check("newcomer"), from: "N")?.user == "a15")
        var order: [String] = []
        while let next = queue.next() { order.append(next.check.user) }
        #expect(order.count == 64)
        #expect(order.contains("newcomer"))
        #expect(Set(order).count == 64)
    }

    @Test("networks that sent wrong passwords give way to one that did not, even if there are more than places")
    func passwordsFromManyNetworks() throws {
        var queue = PasswordQueue()
        func check(_ user: String) throws -> PasswordQueue.Check {
            PasswordQueue.Check(
                user: user, password: "", digest: try #require(CredentialDigest(sha256: Array(user.utf8))))
        }
        for round in 0..<3 {
            for number in 0..<100 { _ = try queue.add(check("\(round) \(number)"), from: "\(number)") }
            for _ in 0..<40 {
                guard let next = queue.next() else { break }
                queue.note(network: next.network, isRight: false)
            }
        }
        for number in 0..<100 { _ = try queue.add(check("again \(number)"), from: "\(number)") }
        let dropped = try queue.add(check("ann"), from: "elsewhere")
        #expect(dropped != nil && dropped?.user != "ann")
        // Without a suspect the last one to come finds no place, and those before it keep theirs.
        var fresh = PasswordQueue()
        for number in 0..<64 { #expect(try fresh.add(check("f\(number)"), from: "\(number)") == nil) }
        #expect(try fresh.add(check("late"), from: "late")?.user == "late")
    }
}
