import Bodies
import HTTP
import Ledger
import Model
import Testing

@testable import Service

@Suite("Refusals") struct RefusalTests {
    private static let account = BudgetAccount(
        number: 1, budget: Budget(name: LabelValue("daily"), limit: .zero, period: .day),
        windowStart: Instant(unixMilliseconds: 0))

    /// Each refusal with its status; the connection closes where a second reader could see another request, or the
    /// server ends.
    private static let all: [(refusal: Refusal, status: Int, closes: Bool)] = [
        (.fault(.contradictoryLength), 400, true), (.fault(.contradictoryHost), 400, true),
        (.fault(.malformedLength), 400, true), (.fault(.malformedTarget), 400, true), (.fault(.malformed), 400, true),
        (.fault(.headersTooLarge), 431, true), (.repeatedHeader("Content-Type"), 400, false),
        (.fault(.draining), 503, true), (.fault(.stopping), 503, true), (.fault(.tooManyConnections), 429, true),
        (.fault(.outdated), 503, true), (.fault(.bodyTooLarge), 413, false), (.fault(.outOfMemory), 503, true),
        (.nothingHere, 404, false), (.method(allowed: ["GET"]), 405, false), (.unauthenticated, 401, false),
        (.forbidden([.scrape]), 403, false), (.tooManyPasswords, 429, false), (.adminRoutesAreOff, 403, false),
        (.arguments("a"), 400, false), (.mediaType(remedy: "r", accepted: "x/y"), 415, false),
        (.contentCoding, 415, false), (.idempotencyKey, 400, false), (.malformed("m"), 400, false),
        (.tooLarge, 413, false), (.noMemory, 503, false), (.decoderIsLate, 503, false),
        (.ledger(.overloaded), 503, false),
        (.ledger(.storageFull("full")), 507, false), (.ledger(.storageFailed("io")), 503, false),
        (.ledger(.closed), 503, true), (.notReady("n"), 503, false), (.readersAreSlow, 503, false),
        (.noSuchBudget, 404, false), (.spent(account), 402, false), (.nothingToForget, 404, false),
        (.reload("r"), 500, false),
    ]

    @Test("each refusal has its status; those that may be tried again say when, and that nothing was applied")
    func statuses() throws {
        for (refusal, status, closes) in Self.all {
            let problem = try #require(refusal.problem(bodyLimitBytes: 1024), "\(refusal)")
            #expect(problem.status == status, "\(refusal)")
            #expect(problem.closesConnection == closes, "\(refusal)")
            let retries = problem.headers.contains { $0.name == "Retry-After" && $0.value == "1" }
            #expect(retries == [429, 503, 507].contains(status), "\(refusal)")
            let response = problem.response
            #expect(response.header("Content-Type") == "application/problem+json")
            #expect(response.json["status"] as? Int == status)
            #expect((response.json["title"] as? String)?.isEmpty == false)
            #expect((response.json["detail"] as? String)?.isEmpty == false)
        }
        #expect(Set(RequestFault.allCases).count == 12)
    }

    @Test("an unknown outcome has no answer: the connection closes")
    func unknownOutcome() {
        #expect(Refusal.ledger(.outcomeUnknown).problem(bodyLimitBytes: 1) == nil)
    }

    @Test("refusals carry what a client needs: schemes, methods, types, codings, the limit, the budget")
    func details() throws {
        func response(_ refusal: Refusal) throws -> Response {
            try #require(refusal.problem(bodyLimitBytes: 1024)).response
        }
        #expect(try response(.unauthenticated).header("WWW-Authenticate")?.contains("Basic realm=") == true)
        #expect(try response(.method(allowed: ["GET", "HEAD"])).header("Allow") == "GET, HEAD")
        #expect(try response(.mediaType(remedy: "r", accepted: "x/y")).header("Accept") == "x/y")
        #expect(try response(.contentCoding).header("Accept-Encoding") == "gzip, deflate, zstd")
        #expect(try response(.tooLarge).text.contains("1024 bytes"))
        #expect(try response(.forbidden([.scrape, .record])).text.contains("record or scrape"))
        let spent = try response(.spent(Self.account)).json
        #expect(spent["name"] as? String == "daily")
        #expect(spent["resets_at"] as? String == "1970-01-02T00:00:00Z")
    }

    @Test(
        "a fault found by the server refuses the request before its body, on every route",
        arguments: RequestFault.allCases.filter { ![.draining, .bodyTooLarge, .outOfMemory].contains($0) })
    func early(fault: RequestFault) throws {
        let service = try ServiceUnderTest()
        for row in Routes.table(telemetryPath: "/metrics") + [.unknown] {
            let exchange = ExchangeDouble("POST", row.path, fault: fault)
            service.service.open(Exchange(exchange))
            guard case .answered(let response) = try exchange.decision() else {
                Issue.record("\(row.path) went on in spite of \(fault)")
                continue
            }
            #expect(response.status >= 400)
        }
    }

    @Test("a header that may come once and came twice refuses the request before its body, and is named")
    func repeated() throws {
        let exchange = ExchangeDouble("POST", "/record", repeatedHeader: "Idempotency-Key")
        try ServiceUnderTest().service.open(Exchange(exchange))
        guard case .answered(let response) = try exchange.decision() else {
            Issue.record("the request went on")
            return
        }
        #expect(response.status == 400)
        #expect(response.text.contains("Idempotency-Key"))
    }

    @Test("while draining, a last scrape is answered and nothing is changed")
    func draining() throws {
        let service = try ServiceUnderTest().service
        func goesOn(_ method: String, _ path: String) throws -> Bool {
            let exchange = ExchangeDouble(method, path, fault: .draining)
            service.open(Exchange(exchange))
            if case .proceeded = try exchange.decision() { return true }
            return false
        }
        #expect(try goesOn("GET", "/metrics"))
        #expect(try goesOn("GET", "/-/ready"))
        #expect(try !goesOn("POST", "/record"))
        #expect(try !goesOn("POST", "/v1/traces"))
        #expect(try !goesOn("POST", "/api/v1/admin/reset"))
    }
}
