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
        (basic("ann", "secret"), [.record, .scrape]), (basic("root", "secret"), [.admin]),
        (basic("ann", "wrong"), nil), (basic("nobody", "secret"), nil), ("Basic not base64", nil),
    ]

    /// Each route with the scopes of docs/securing.md; `nil` if anyone may ask.
    private static let routes: [(method: String, path: String, scopes: Set<Scope>?)] = [
        ("POST", "/record", [.record]), ("POST", "/litellm", [.record]), ("POST", "/v1/traces", [.record]),
        ("POST", "/v1/metrics", [.record]), ("POST", "/v1/logs", [.record]), ("GET", "/metrics", [.scrape]),
        ("GET", "/summary", [.scrape]), ("GET", "/", [.scrape]), ("GET", "/api/v1/budgets", [.record, .scrape]),
        ("GET", "/api/v1/budgets/x", [.record, .scrape]), ("POST", "/-/reload", [.admin]),
        ("POST", "/api/v1/admin/reset", [.admin]), ("POST", "/api/v1/admin/forget", [.admin]),
        ("GET", "/-/healthy", nil), ("GET", "/-/ready", nil),
    ]

    @Test("each route asks each credential for its scope, before the body is read")
    func matrix() throws {
        let service = try ServiceUnderTest(web: guarded).service
        #expect(Self.routes.count == Routes.table(telemetryPath: "/metrics").count)
        for route in Self.routes {
            for credential in Self.credentials {
                let exchange = ExchangeDouble(
                    route.method, route.path, headers: credential.header.map { ["Authorization": $0] } ?? [:])
                service.open(Exchange(exchange))
                let decision = try exchange.decision()
                let comment: Comment = "\(route.method) \(route.path) with \(credential.header ?? "nothing")"
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
            access.judge("Bearer " + token, needing: [.record]) { refusal in passed.withLock { $0 = refusal == nil } }
            return passed.withLock { $0 }
        }
        let other = guarded.replacing("deny", with: "sameorigin").replacing(
            "scopes: [scrape]", with: "scopes: [record]")
        try Data(other.utf8).write(to: URL(filePath: path))
        let candidate = try access.candidate()
        #expect(access.headers.map(\.value) == ["deny"])
        #expect(!passes("scrape-token"))
        access.use(candidate)
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
}
